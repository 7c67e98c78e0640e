/*===- cuda_driver.h - libcuda's entry points, opened at run time ----------------------------------===*\
 *
 * Our own prototypes of the driver API; nothing of CUDA is needed to build or to link.
 *
\*===--------------------------------------------------------------------------------------------===*/

#ifndef HEDDLE_CUDA_DRIVER_H
#define HEDDLE_CUDA_DRIVER_H

#include "internal.h"

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef void *CUcontext, *CUmodule, *CUfunction, *CUstream;

/* What we call, by the name that dlsym gets. */
#define HEDDLE_CUDA_ENTRIES(X)                                                                     \
  X(cuInit, (unsigned))                                                                            \
  X(cuDriverGetVersion, (int *))                                                                   \
  X(cuDeviceGetCount, (int *))                                                                     \
  X(cuDeviceGet, (CUdevice *, int))                                                                \
  X(cuDeviceGetAttribute, (int *, int, CUdevice))                                                  \
  X(cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice))                                             \
  X(cuDevicePrimaryCtxRelease_v2, (CUdevice))                                                      \
  X(cuCtxSetCurrent, (CUcontext))                                                                  \
  X(cuModuleLoadDataEx, (CUmodule *, const void *, unsigned, int *, void **))                      \
  X(cuModuleUnload, (CUmodule))                                                                    \
  X(cuModuleGetFunction, (CUfunction *, CUmodule, const char *))                                   \
  X(cuMemAlloc_v2, (CUdeviceptr *, size_t))                                                        \
  X(cuMemFree_v2, (CUdeviceptr))                                                                   \
  X(cuMemcpyHtoD_v2, (CUdeviceptr, const void *, size_t))                                          \
  X(cuMemcpyDtoH_v2, (void *, CUdeviceptr, size_t))                                                \
  X(cuLaunchKernel, (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,       \
                     unsigned, CUstream, void **, void **))                                        \
  X(cuCtxSynchronize, (void))                                                                      \
  X(cuGetErrorName, (CUresult, const char **))                                                     \
  X(cuGetErrorString, (CUresult, const char **))

typedef struct heddle_module {
  struct heddle_module *next;
  const char *ptx; /* of the variant: its identity */
  CUmodule module;
} heddle_module;

struct heddle_device {
#define X(name, parameters) CUresult(*name) parameters;
  HEDDLE_CUDA_ENTRIES(X)
#undef X
  const char *(*emulator_fault)(void); /* of our emulator; null with a real driver */
  void *library;
  CUdevice ordinal;
  CUcontext context;
  int level, driver_version;
  CUdeviceptr zeros; /* 64 bytes */
  heddle_module *modules;
  char lock; /* guards `modules` */
};

/* Makes an error of a driver's result: what we did, its name and words. HEDDLE_OK for 0. */
int heddle_cuda_result(const heddle_device *device, CUresult result, const char *what);

#endif
