/*===- heddle.h - what a program that calls compiled attention kernels needs -----------------------===*\
 *
 * Plain C11, also C++17. A compiled spec NAME comes with NAME.h, which includes this and declares
 *
 *   int NAME_check(const NAME_args *args);                      is the call right?
 *   int NAME_workspace(const NAME_args *args, int64_t *bytes);  how much workspace does it need?
 *   int NAME_run(const NAME_args *args);                        do it
 *   const heddle_kernel *NAME_info(void);                       what it is (heddle_kernel.h)
 *
 * They return a heddle_status. On any other than HEDDLE_OK nothing was written to a tensor, and
 * heddle_last_error() says in words which tensor and which dimension is to blame.
 *
\*===--------------------------------------------------------------------------------------------===*/

#ifndef HEDDLE_H
#define HEDDLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum heddle_status {
  HEDDLE_OK = 0,
  HEDDLE_BAD_ARGS = 1,            /* args is null, of an unknown size, or threads < 0 */
  HEDDLE_NULL_TENSOR = 2,         /* a tensor, its shape or its data is missing */
  HEDDLE_BAD_RANK = 3,            /* another number of axes than the spec's */
  HEDDLE_BAD_SHAPE = 4,           /* sizes disagree with the spec or with each other */
  HEDDLE_BAD_TYPE = 5,            /* another element type than the spec's */
  HEDDLE_BAD_STRIDE = 6,          /* the innermost stride is not 1, or a result overlaps itself */
  HEDDLE_MISALIGNED = 7,          /* data is not aligned to its element */
  HEDDLE_OVERLAP = 8,             /* a result shares memory with another tensor */
  HEDDLE_WORKSPACE_TOO_SMALL = 9, /* see NAME_workspace */
  HEDDLE_TOO_LARGE = 10,          /* a size over 2^31 - 1, or a tensor past 2^63 bytes */
  HEDDLE_REQUIREMENT = 11,        /* a `require` of the spec does not hold */
  HEDDLE_UNSUPPORTED_CPU = 12,    /* no code in the library for this processor */
  HEDDLE_BAD_DEVICE = 13,         /* tensors on several devices, or on one without code */
  HEDDLE_NO_DRIVER = 14,          /* libcuda is not there, or has no device */
  HEDDLE_DRIVER_ERROR = 15,       /* libcuda said no; its words are in the message */
  HEDDLE_OUT_OF_MEMORY = 16       /* only of functions that create something */
} heddle_status;

/* The name of a status, as in "bad_shape". Never null. */
const char *heddle_status_name(int status);
/* What went wrong last on this thread; "" if nothing did. Valid until the next call on it. */
const char *heddle_last_error(void);

/* DLPack's DLTensor, field by field, so that any framework's tensor passes without a copy. */
enum { HEDDLE_CPU = 1, HEDDLE_CUDA = 2 }; /* device_type */
enum {
  HEDDLE_INT = 0,
  HEDDLE_UINT = 1,
  HEDDLE_FLOAT = 2,
  HEDDLE_BFLOAT = 4,
  HEDDLE_BOOL = 6
}; /* code */

typedef struct heddle_tensor {
  void *data;          /* for HEDDLE_CUDA a device pointer */
  int32_t device_type; /* HEDDLE_CPU or HEDDLE_CUDA */
  int32_t device_id;
  int32_t ndim;
  uint8_t type_code; /* HEDDLE_FLOAT, ... */
  uint8_t type_bits; /* of one element */
  uint16_t type_lanes;
  int64_t *shape;
  int64_t *strides; /* in elements; null: row-major without gaps. The innermost must be 1. */
  uint64_t byte_offset;
} heddle_tensor;

typedef struct heddle_device heddle_device;

/* Calls body(argument, 0) ... body(argument, threads - 1), each exactly once, in any order and on any
 * threads, and returns when all are done. */
typedef void (*heddle_parallel_for)(void *context, int32_t threads,
                                    void (*body)(void *argument, int32_t thread), void *argument);

/* How to run. Zero is a good value for all but the workspace. The results have the same bits for any
 * number of threads. */
typedef struct heddle_exec {
  uint64_t struct_size;             /* sizeof(heddle_exec) */
  int32_t threads;                  /* 0 or 1: the caller's alone; more need parallel_for */
  int32_t reserved;                 /* 0 */
  heddle_parallel_for parallel_for; /* heddle_pool_run, or the host's own */
  void *context;                    /* of parallel_for: the pool */
  void *workspace;         /* of the tensors' device; 64-byte aligned is best, any will do */
  int64_t workspace_bytes; /* at least what NAME_workspace says */
  heddle_device *device;   /* for tensors on HEDDLE_CUDA */
  void *stream;            /* a CUstream; null: the default one. run does not wait for it. */
} heddle_exec;

/* A pool of `threads` - 1 threads beside the caller's, for heddle_exec. One call at a time. */
typedef struct heddle_pool heddle_pool;
heddle_pool *heddle_pool_create(int32_t threads); /* null: out of memory or threads */
void heddle_pool_destroy(heddle_pool *pool);
void heddle_pool_run(void *pool, int32_t threads, void (*body)(void *, int32_t), void *argument);

/* The x86-64 level of this processor and its operating system: 1 to 4; 0 on another architecture. */
int heddle_cpu_level(void);

/* A GPU, through libcuda: opened by name at run time, from $HEDDLE_LIBCUDA, else libcuda.so.1. Modules
 * of kernels are loaded at their first run on a device and stay until it is closed. */
int heddle_device_open(int32_t ordinal, heddle_device **device);
void heddle_device_close(heddle_device *device);
int heddle_device_alloc(heddle_device *device, int64_t bytes, void **memory);
void heddle_device_free(heddle_device *device, void *memory);
int heddle_device_upload(heddle_device *device, void *to, const void *from, int64_t bytes);
int heddle_device_download(heddle_device *device, void *to, const void *from, int64_t bytes);
/* Waits for all work; faults of kernels come out here. */
int heddle_device_synchronize(heddle_device *device);

#ifdef __cplusplus
}
#endif
#endif
