/*===- kernel.c - a call of a compiled spec: choose a variant, workspace, run ----------------------===*/

#include "internal.h"

#include <string.h>

static int64_t level_of(const heddle_call *call) {
  return call->device == HEDDLE_CUDA ? heddle_device_level(call->exec.device) : heddle_cpu_level();
}

/* The first variant that this machine can run and whose guard takes the call. */
static int choose(const heddle_call *call, const heddle_kernel_variant **chosen) {
  const heddle_kernel *kernel = call->kernel;
  int64_t level = level_of(call), any = 0;
  for (int64_t i = 0; i < kernel->num_variants; ++i) {
    const heddle_kernel_variant *variant = &kernel->variants[i];
    if (variant->device != call->device)
      continue;
    any = 1;
    if (variant->level > level)
      continue;
    if (variant->guard >= 0) {
      int64_t size = call->values[variant->guard];
      if (size < variant->first || size > variant->last)
        continue;
    }
    *chosen = variant;
    return HEDDLE_OK;
  }
  if (call->device == HEDDLE_CUDA)
    return heddle_fail(HEDDLE_BAD_DEVICE,
                       any ? "%s has no code for compute capability %d.%d"
                           : "%s has no code for a GPU; compile it with a target such as sm_80",
                       kernel->name, (int)(level / 10), (int)(level % 10));
  if (!any)
    return heddle_fail(HEDDLE_BAD_DEVICE, "%s has no code for a CPU", kernel->name);
  return heddle_fail(HEDDLE_UNSUPPORTED_CPU,
                     "unsupported_cpu: %s has no code for this processor (x86-64 level %d)",
                     kernel->name, (int)level);
}

/* Bytes of the caller's workspace: a line to align, temporaries, what stages share, scratch of threads. */
static int need(const heddle_call *call, const heddle_kernel_variant *variant, int64_t *bytes) {
  int64_t shared = variant->workspace(call->slots), scratch = call->temporary_bytes ? 64 : 0;
  int64_t threads = call->exec.threads > 1 ? call->exec.threads : 1;
  if (call->device == HEDDLE_CPU)
    scratch = threads * variant->scratch_bytes + 128;
  if (call->temporary_bytes > INT64_MAX - scratch - 64)
    shared = -1;
  else
    scratch += call->temporary_bytes;
  if (shared < 0 || shared > INT64_MAX - scratch)
    return heddle_fail(HEDDLE_TOO_LARGE, "the workspace of %s passes 2^63 bytes",
                       call->kernel->name);
  *bytes = shared + scratch;
  return HEDDLE_OK;
}

static int prepare(const heddle_kernel *kernel, const void *args, heddle_call *call,
                   const heddle_kernel_variant **variant, int64_t *bytes) {
  heddle_fail(HEDDLE_OK, "%s", "");
  int status = heddle_bind(kernel, args, call);
  if (!status)
    status = heddle_place_temporaries(call, heddle_workspace_of(call));
  if (!status)
    status = choose(call, variant);
  return status ? status : need(call, *variant, bytes);
}

int heddle_kernel_workspace(const heddle_kernel *kernel, const void *args, int64_t *bytes) {
  heddle_call call;
  const heddle_kernel_variant *variant = NULL;
  if (!bytes)
    return heddle_fail(HEDDLE_BAD_ARGS, "bytes is null");
  return prepare(kernel, args, &call, &variant, bytes);
}

const heddle_kernel_variant *heddle_kernel_choose(const heddle_kernel *kernel, const void *args,
                                                  int64_t *slots, char **workspace) {
  heddle_call call;
  const heddle_kernel_variant *variant = NULL;
  int64_t bytes;
  if (prepare(kernel, args, &call, &variant, &bytes))
    return NULL;
  if (slots)
    memcpy(slots, call.slots, sizeof call.slots);
  if (workspace)
    *workspace = (char *)heddle_workspace_of(&call) + call.temporary_bytes;
  return variant;
}

static int check(const heddle_kernel *kernel, const void *args, heddle_call *call,
                 const heddle_kernel_variant **variant) {
  int64_t bytes = 0;
  int status = prepare(kernel, args, call, variant, &bytes);
  if (status)
    return status;
  if (call->exec.threads < 0)
    return heddle_fail(HEDDLE_BAD_ARGS, "exec->threads is %d, expected 0 or more",
                       (int)call->exec.threads);
  if (call->exec.threads > 1 && call->device == HEDDLE_CPU && !call->exec.parallel_for)
    return heddle_fail(HEDDLE_BAD_ARGS, "%d threads need a parallel_for, such as heddle_pool_run",
                       (int)call->exec.threads);
  if (bytes > 0 && (!call->exec.workspace || call->exec.workspace_bytes < bytes))
    return heddle_fail(HEDDLE_WORKSPACE_TOO_SMALL, "%s needs a workspace of %lld bytes, got %lld",
                       kernel->name, (long long)bytes,
                       (long long)(call->exec.workspace ? call->exec.workspace_bytes : 0));
  return HEDDLE_OK;
}

int heddle_kernel_check(const heddle_kernel *kernel, const void *args) {
  heddle_call call;
  const heddle_kernel_variant *variant = NULL;
  return check(kernel, args, &call, &variant);
}

int heddle_kernel_run(const heddle_kernel *kernel, const void *args) {
  heddle_call call;
  const heddle_kernel_variant *variant = NULL;
  int status = check(kernel, args, &call, &variant);
  if (status)
    return status;
  return call.device == HEDDLE_CPU ? heddle_run_cpu(&call, variant)
                                   : heddle_run_cuda(&call, variant);
}
