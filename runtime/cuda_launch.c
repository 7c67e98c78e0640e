/*===- cuda_launch.c - stages of a variant as kernels on a device -----------------------------------===*/

#include "cuda_driver.h"

#include <stdio.h>
#include <stdlib.h>

enum { error_log = 5, error_log_size = 6 }; /* CUjit_option */

static int load(heddle_device *device, const char *ptx, CUmodule *module) {
  char log[2048] = "";
  int options[] = {error_log, error_log_size};
  void *values[] = {log, (void *)(uintptr_t)sizeof log};
  CUresult result = device->cuModuleLoadDataEx(module, ptx, 2, options, values);
  if (!result)
    return HEDDLE_OK;
  const char *advice = result == 222   ? "; the driver is older than the PTX: update it"
                       : result == 209 ? "; the PTX is for a newer GPU"
                       : result == 221 ? "; the driver's JIT compiler is missing"
                                       : "";
  char what[2400];
  log[sizeof log - 1] = 0;
  snprintf(what, sizeof what, "loading PTX%s%s%s", advice, *log ? ": " : "", log);
  return heddle_cuda_result(device, result, what);
}

/* The module of a variant on a device, loaded once. */
static int module_of(heddle_device *device, const char *ptx, CUmodule *module) {
  int status = HEDDLE_OK;
  while (__atomic_test_and_set(&device->lock, __ATOMIC_ACQUIRE))
    ;
  heddle_module *known = device->modules;
  while (known && known->ptx != ptx)
    known = known->next;
  if (!known) {
    known = calloc(1, sizeof *known);
    status = known ? load(device, ptx, &known->module)
                   : heddle_fail(HEDDLE_OUT_OF_MEMORY, "no memory for a module");
    if (status) {
      free(known);
      known = NULL;
    } else {
      known->ptx = ptx;
      known->next = device->modules;
      device->modules = known;
    }
  }
  if (known)
    *module = known->module;
  __atomic_clear(&device->lock, __ATOMIC_RELEASE);
  return status;
}

static int launch(const heddle_call *call, const heddle_kernel_stage *stage, CUmodule module) {
  char *workspace = (char *)call->exec.workspace + call->temporary_bytes;
  heddle_device *device = call->exec.device;
  int64_t sizes[3] = {1, 1, 1};
  stage->grid(call->slots, sizes);
  int64_t items = sizes[0] * sizes[1] * sizes[2];
  if (items == 0)
    return HEDDLE_OK;
  if (items > INT32_MAX)
    return heddle_fail(HEDDLE_TOO_LARGE, "%s has %lld blocks, over 2^31 - 1", stage->entry,
                       (long long)items);
  CUfunction function;
  int status = heddle_cuda_result(
      device, device->cuModuleGetFunction(&function, module, stage->entry), stage->entry);
  if (status)
    return status;
  void *parameters[HEDDLE_MAX_SLOTS + 1];
  int64_t count = call->kernel->num_slots;
  for (int64_t i = 0; i < count; ++i)
    parameters[i] = (void *)&call->slots[i];
  parameters[count] = (void *)&workspace;
  return heddle_cuda_result(
      device,
      device->cuLaunchKernel(function, (unsigned)items, 1, 1, (unsigned)stage->threads, 1, 1,
                             (unsigned)stage->shared_bytes, call->exec.stream, parameters, NULL),
      stage->entry);
}

int heddle_run_cuda(const heddle_call *call, const heddle_kernel_variant *variant) {
  heddle_device *device = call->exec.device;
  CUmodule module = NULL;
  int status =
      heddle_cuda_result(device, device->cuCtxSetCurrent(device->context), "cuCtxSetCurrent");
  if (!status)
    status = module_of(device, variant->ptx, &module);
  for (int64_t i = 0; !status && i < variant->num_stages; ++i)
    status = launch(call, &variant->stages[i], module);
  return status;
}
