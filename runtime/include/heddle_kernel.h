/*===- heddle_kernel.h - what a compiled spec tells the runtime about itself ------------------------===*\
 *
 * The generated library holds one constant heddle_kernel and functions that hand it to the runtime, so
 * that all checks of a call live here, once. Every field is 8 bytes wide: the compiler writes these
 * structs word by word (codegen/EmitDescriptor.cpp).
 *
 * A kernel's code gets 64-bit *slots* (codegen/KernelAbi.h): for each tensor, and each temporary, its data
 * pointer and its strides in elements and its sizes, for each dim its size, for each param its 32 bits.
 *
\*===--------------------------------------------------------------------------------------------===*/

#ifndef HEDDLE_KERNEL_H
#define HEDDLE_KERNEL_H

#include "heddle.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HEDDLE_KERNEL_ABI 2
/* Limits of a call; the compiler refuses what is beyond them. */
enum { HEDDLE_MAX_SLOTS = 640, HEDDLE_MAX_VALUES = 256, HEDDLE_MAX_NDIM = 8 };

/* A call has *values*: one per dim of the spec, then one per param (its bits: int64, or a double), then
 * one per other size that is an expression, then one per requirement. */
typedef struct heddle_kernel_dim {
  const char *name;
  int64_t kind;         /* one of heddle_dim_kind */
  int64_t value;        /* FIXED: the size */
  int64_t tensor, axis; /* TENSOR: where it is read */
  int64_t slot;         /* -1: compiled in */
} heddle_kernel_dim;

typedef enum heddle_dim_kind {
  HEDDLE_DIM_FIXED = 0,
  HEDDLE_DIM_TENSOR = 1,
  HEDDLE_DIM_ARGUMENT = 2, /* a word of the args, in the order of the dims */
  HEDDLE_DIM_DERIVED = 3   /* by `derive` */
} heddle_dim_kind;

typedef struct heddle_kernel_axis {
  const char *text; /* as in the spec: "N", "N // 2" */
  int64_t fixed;    /* the size; -1: values[value] */
  int64_t value;
} heddle_kernel_axis;

typedef struct heddle_kernel_tensor {
  const char *name;
  int64_t is_result;
  int64_t type_code, type_bits;
  int64_t ndim;
  const heddle_kernel_axis *axes;
  int64_t slot; /* of the data pointer; strides follow, then sizes */
} heddle_kernel_tensor;

/* A tensor that steps hand on: row-major, in the workspace from the step that makes it to the last that
 * reads it. */
typedef struct heddle_kernel_temporary {
  heddle_kernel_tensor tensor;
  int64_t first, last;
} heddle_kernel_temporary;

typedef struct heddle_kernel_param {
  const char *name;
  int64_t is_float; /* a double in the args and an f32 in the slot; else int64_t and i32 */
  int64_t slot;
} heddle_kernel_param;

typedef struct heddle_kernel_requirement {
  const char *text;
  int64_t value; /* values[value] != 0 */
} heddle_kernel_requirement;

/* One grid. */
typedef struct heddle_kernel_stage {
  void (*grid)(const int64_t *slots, int64_t sizes[3]);
  /* CPU: one item, numbered row-major. CUDA: null. */
  void (*item)(const int64_t *slots, int64_t item, char *scratch, char *workspace);
  const char *entry; /* CUDA: the kernel; its parameters are the slots, then the workspace */
  int64_t threads, shared_bytes;
} heddle_kernel_stage;

typedef struct heddle_kernel_variant {
  const char *name;      /* "prefill.x86-64-v4", ... */
  int64_t device;        /* HEDDLE_CPU or HEDDLE_CUDA */
  int64_t level;         /* CPU: the x86-64 level it needs; CUDA: the compute capability x 10 */
  int64_t first, last;   /* sizes of the dim `guard` that it takes */
  int64_t guard;         /* the number of a dim; -1: always */
  int64_t scratch_bytes; /* CPU: of one thread; a multiple of 64 */
  int64_t (*workspace)(const int64_t *slots); /* bytes that stages share, behind the temporaries */
  int64_t num_stages;
  const heddle_kernel_stage *stages;
  const char *ptx; /* CUDA */
} heddle_kernel_variant;

typedef struct heddle_kernel {
  int64_t abi; /* HEDDLE_KERNEL_ABI */
  const char *name;
  int64_t num_slots, num_values;
  int64_t num_dims;
  const heddle_kernel_dim *dims;
  int64_t num_tensors; /* inputs, then results */
  const heddle_kernel_tensor *tensors;
  int64_t num_temporaries;
  const heddle_kernel_temporary *temporaries;
  int64_t num_params;
  const heddle_kernel_param *params;
  int64_t num_requirements;
  const heddle_kernel_requirement *requirements;
  void (*derive)(int64_t *values); /* fills what dims and params imply */
  int64_t num_variants;            /* the first that fits is taken */
  const heddle_kernel_variant *variants;
} heddle_kernel;

/* `args`, any NAME_args: 8-byte words: struct_size, a const heddle_tensor * per tensor, an int64_t per
 * ARGUMENT dim, a double or int64_t per param, a const heddle_exec *. */
int heddle_kernel_check(const heddle_kernel *kernel, const void *args);
int heddle_kernel_workspace(const heddle_kernel *kernel, const void *args, int64_t *bytes);
int heddle_kernel_run(const heddle_kernel *kernel, const void *args);
/* The variant that a call would take; null and an error if there is none or the call is wrong. Fills in
 * the slots (HEDDLE_MAX_SLOTS of them, or null) and the workspace (or null) that its code gets: for tools
 * that run items themselves. */
const heddle_kernel_variant *heddle_kernel_choose(const heddle_kernel *kernel, const void *args,
                                                  int64_t *slots, char **workspace);

#ifdef __cplusplus
}
#endif
#endif
