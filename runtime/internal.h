/*===- internal.h - what the runtime's files share -------------------------------------------------===*/

#ifndef HEDDLE_INTERNAL_H
#define HEDDLE_INTERNAL_H

#include "heddle_kernel.h"

#if defined(__GNUC__)
#define HEDDLE_PRINTF __attribute__((format(printf, 2, 3)))
#else
#define HEDDLE_PRINTF
#endif

/* Sets the thread's message; returns `status`. */
int heddle_fail(int status, const char *format, ...) HEDDLE_PRINTF;

/* A checked call. */
typedef struct heddle_call {
  const heddle_kernel *kernel;
  heddle_exec exec;
  int32_t device; /* HEDDLE_CPU or HEDDLE_CUDA */
  int64_t values[HEDDLE_MAX_VALUES];
  int64_t slots[HEDDLE_MAX_SLOTS];
  int64_t temporary_bytes; /* at the start of the workspace; a multiple of 64 */
} heddle_call;

/* Checks everything about a call but its workspace, and fills in the slots. */
int heddle_bind(const heddle_kernel *kernel, const void *args, heddle_call *call);

/* What an empty tensor's slot points to, so that a guarded read is harmless: 64 zero bytes. */
int64_t heddle_zeros_of(const heddle_call *call);

/* The caller's workspace, from its first whole line on. */
static inline uintptr_t heddle_workspace_of(const heddle_call *call) {
  return ((uintptr_t)call->exec.workspace + 63) & ~(uintptr_t)63;
}

/* Lays the temporaries out from `base` on and fills in their slots. Before the workspace is known: 0. */
int heddle_place_temporaries(heddle_call *call, uintptr_t base);

/* Runs one stage after the other on the exec's device. */
int heddle_run_cpu(const heddle_call *call, const heddle_kernel_variant *variant);
int heddle_run_cuda(const heddle_call *call, const heddle_kernel_variant *variant);
/* 10 x the compute capability. */
int heddle_device_level(const heddle_device *device);
/* The address of 64 zero bytes on the device. */
int64_t heddle_device_zeros(const heddle_device *device);

#endif
