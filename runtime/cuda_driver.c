/*===- cuda_driver.c - a device of libcuda ---------------------------------------------------------===*/

#define _GNU_SOURCE
#include "cuda_driver.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { capability_major = 75, capability_minor = 76 }; /* CUdevice_attribute */

int heddle_cuda_result(const heddle_device *device, CUresult result, const char *what) {
  if (!result)
    return HEDDLE_OK;
  const char *name = NULL, *words = NULL, *fault = NULL;
  device->cuGetErrorName(result, &name);
  device->cuGetErrorString(result, &words);
  if (device->emulator_fault)
    fault = device->emulator_fault();
  return heddle_fail(HEDDLE_DRIVER_ERROR, "%s: %s (%d): %s%s%s", what, name ? name : "unknown",
                     result, words ? words : "", fault && *fault ? ": " : "", fault ? fault : "");
}

static int load_entries(heddle_device *device, const char *path) {
  const char *missing = NULL;
  void *entry;
#define X(name, parameters)                                                                        \
  entry = dlsym(device->library, #name);                                                           \
  if (!entry)                                                                                      \
    missing = #name;                                                                               \
  memcpy(&device->name, &entry, sizeof entry);
  HEDDLE_CUDA_ENTRIES(X)
#undef X
  entry = dlsym(device->library, "heddle_emulator_fault");
  memcpy(&device->emulator_fault, &entry, sizeof entry);
  if (missing)
    return heddle_fail(HEDDLE_NO_DRIVER, "%s has no %s; the driver is too old", path, missing);
  return HEDDLE_OK;
}

static const unsigned char zeros[64];

static int open_context(heddle_device *device, int32_t ordinal) {
  int count = 0, major = 0, minor = 0;
  int status = heddle_cuda_result(device, device->cuInit(0), "cuInit");
  if (!status)
    status = heddle_cuda_result(device, device->cuDriverGetVersion(&device->driver_version),
                                "cuDriverGetVersion");
  if (!status)
    status = heddle_cuda_result(device, device->cuDeviceGetCount(&count), "cuDeviceGetCount");
  if (status)
    return status;
  if (ordinal < 0 || ordinal >= count)
    return heddle_fail(HEDDLE_NO_DRIVER, "device %d of %d", (int)ordinal, count);
  status =
      heddle_cuda_result(device, device->cuDeviceGet(&device->ordinal, ordinal), "cuDeviceGet");
  if (!status)
    status = heddle_cuda_result(
        device, device->cuDeviceGetAttribute(&major, capability_major, device->ordinal),
        "cuDeviceGetAttribute");
  if (!status)
    status = heddle_cuda_result(
        device, device->cuDeviceGetAttribute(&minor, capability_minor, device->ordinal),
        "cuDeviceGetAttribute");
  device->level = 10 * major + minor;
  if (!status)
    status = heddle_cuda_result(device,
                                device->cuDevicePrimaryCtxRetain(&device->context, device->ordinal),
                                "cuDevicePrimaryCtxRetain");
  if (!status)
    status =
        heddle_cuda_result(device, device->cuCtxSetCurrent(device->context), "cuCtxSetCurrent");
  if (!status)
    status = heddle_cuda_result(device, device->cuMemAlloc_v2(&device->zeros, sizeof zeros),
                                "cuMemAlloc");
  if (!status)
    status = heddle_cuda_result(device, device->cuMemcpyHtoD_v2(device->zeros, zeros, sizeof zeros),
                                "cuMemcpyHtoD");
  return status;
}

int heddle_device_open(int32_t ordinal, heddle_device **opened) {
  const char *path = getenv("HEDDLE_LIBCUDA");
  if (!path || !*path)
    path = "libcuda.so.1";
  if (!opened)
    return heddle_fail(HEDDLE_BAD_ARGS, "device is null");
  *opened = NULL;
  heddle_device *device = calloc(1, sizeof *device);
  if (!device)
    return heddle_fail(HEDDLE_OUT_OF_MEMORY, "no memory for a device");
  int status = HEDDLE_OK;
  device->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!device->library)
    status = heddle_fail(HEDDLE_NO_DRIVER, "no GPU driver: %s", dlerror());
  if (!status)
    status = load_entries(device, path);
  if (!status)
    status = open_context(device, ordinal);
  if (status) {
    if (device->library)
      dlclose(device->library);
    free(device);
    return status;
  }
  *opened = device;
  return HEDDLE_OK;
}

void heddle_device_close(heddle_device *device) {
  if (!device)
    return;
  device->cuCtxSetCurrent(device->context);
  for (heddle_module *module = device->modules; module;) {
    heddle_module *next = module->next;
    device->cuModuleUnload(module->module);
    free(module);
    module = next;
  }
  device->cuMemFree_v2(device->zeros);
  device->cuDevicePrimaryCtxRelease_v2(device->ordinal);
  dlclose(device->library);
  free(device);
}

int heddle_device_level(const heddle_device *device) { return device->level; }
int64_t heddle_device_zeros(const heddle_device *device) { return (int64_t)device->zeros; }

static int enter(heddle_device *device) {
  return heddle_cuda_result(device, device->cuCtxSetCurrent(device->context), "cuCtxSetCurrent");
}

int heddle_device_alloc(heddle_device *device, int64_t bytes, void **memory) {
  CUdeviceptr pointer = 0;
  int status = enter(device);
  if (!status)
    status = heddle_cuda_result(
        device, device->cuMemAlloc_v2(&pointer, (size_t)(bytes > 0 ? bytes : 1)), "cuMemAlloc");
  *memory = (void *)(uintptr_t)pointer;
  return status;
}

void heddle_device_free(heddle_device *device, void *memory) {
  if (memory && !enter(device))
    device->cuMemFree_v2((CUdeviceptr)(uintptr_t)memory);
}

int heddle_device_upload(heddle_device *device, void *to, const void *from, int64_t bytes) {
  int status = enter(device);
  if (status || bytes <= 0)
    return status;
  return heddle_cuda_result(
      device, device->cuMemcpyHtoD_v2((CUdeviceptr)(uintptr_t)to, from, (size_t)bytes),
      "cuMemcpyHtoD");
}

int heddle_device_download(heddle_device *device, void *to, const void *from, int64_t bytes) {
  int status = enter(device);
  if (status || bytes <= 0)
    return status;
  return heddle_cuda_result(
      device, device->cuMemcpyDtoH_v2(to, (CUdeviceptr)(uintptr_t)from, (size_t)bytes),
      "cuMemcpyDtoH");
}

int heddle_device_synchronize(heddle_device *device) {
  int status = enter(device);
  return status ? status : heddle_cuda_result(device, device->cuCtxSynchronize(), "a kernel");
}
