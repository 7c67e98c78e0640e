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
} heddle_call;

/* Checks everything about a call but its workspace, and fills in the slots. */
int heddle_bind(const heddle_kernel *kernel, const void *args, heddle_call *call);

/* Runs one stage after the other on the exec's device. */
int heddle_run_cpu(const heddle_call *call, const heddle_kernel_variant *variant);
int heddle_run_cuda(const heddle_call *call, const heddle_kernel_variant *variant);
/* 10 x the compute capability. */
int heddle_device_level(const heddle_device *device);

#endif
