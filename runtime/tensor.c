/*===- tensor.c - a call checked against the spec, and its slots -----------------------------------===*/

#include "internal.h"

#include <stdlib.h>
#include <string.h>

typedef long long ll; /* for messages */

static const _Alignas(64) unsigned char zeros[64];

int64_t heddle_zeros_of(const heddle_call *call) {
  return call->device == HEDDLE_CUDA ? heddle_device_zeros(call->exec.device)
                                     : (int64_t)(uintptr_t)zeros;
}

static const char *type_name(int64_t code, int64_t bits) {
  switch (code) {
  case HEDDLE_FLOAT:
    return bits == 32 ? "f32" : bits == 16 ? "f16" : bits == 64 ? "f64" : "float";
  case HEDDLE_BFLOAT:
    return "bf16";
  case HEDDLE_INT:
    return bits == 32 ? "i32" : bits == 8 ? "i8" : bits == 64 ? "i64" : "integer";
  case HEDDLE_UINT:
    return "unsigned";
  case HEDDLE_BOOL:
    return "bool";
  default:
    return "unknown";
  }
}

/* Of axis `axis`; row-major where there are no strides. */
static int64_t stride_of(const heddle_tensor *tensor, int64_t axis) {
  if (tensor->strides)
    return tensor->strides[axis];
  int64_t stride = 1;
  for (int64_t i = axis + 1; i < tensor->ndim; ++i)
    stride *= tensor->shape[i];
  return stride;
}

/* The bytes from `first` up to `end` relative to the data pointer. Empty: both 0. */
static int span(const heddle_tensor *tensor, const char *name, int64_t *first, int64_t *end) {
  int64_t low = 0, high = 0, bytes = tensor->type_bits / 8;
  *first = *end = 0;
  for (int64_t i = 0; i < tensor->ndim; ++i)
    if (tensor->shape[i] == 0)
      return HEDDLE_OK;
  for (int64_t i = 0; i < tensor->ndim; ++i) {
    int64_t reach;
    int bad = __builtin_mul_overflow(tensor->shape[i] - 1, stride_of(tensor, i), &reach);
    bad |= reach < 0 ? __builtin_add_overflow(low, reach, &low)
                     : __builtin_add_overflow(high, reach, &high);
    if (bad)
      return heddle_fail(HEDDLE_TOO_LARGE, "tensor '%s' reaches past 2^63 elements", name);
  }
  if (__builtin_mul_overflow(low, bytes, first) || __builtin_add_overflow(high, 1, &high) ||
      __builtin_mul_overflow(high, bytes, end))
    return heddle_fail(HEDDLE_TOO_LARGE, "tensor '%s' reaches past 2^63 bytes", name);
  return HEDDLE_OK;
}

static int check_form(const heddle_kernel_tensor *want, const heddle_tensor *got) {
  const char *name = want->name;
  if (!got)
    return heddle_fail(HEDDLE_NULL_TENSOR, "tensor '%s' is null", name);
  if (got->ndim != want->ndim)
    return heddle_fail(HEDDLE_BAD_RANK, "tensor '%s' has %d axes, the spec says %d", name,
                       (int)got->ndim, (int)want->ndim);
  if (got->type_code != want->type_code || got->type_bits != want->type_bits ||
      got->type_lanes != 1)
    return heddle_fail(
        HEDDLE_BAD_TYPE, "tensor '%s' is %s (code %d, %d bits, %d lanes), the spec says %s", name,
        type_name(got->type_code, got->type_bits), (int)got->type_code, (int)got->type_bits,
        (int)got->type_lanes, type_name(want->type_code, want->type_bits));
  if (got->ndim && !got->shape)
    return heddle_fail(HEDDLE_NULL_TENSOR, "the shape of tensor '%s' is null", name);
  for (int64_t i = 0; i < got->ndim; ++i) {
    if (got->shape[i] < 0)
      return heddle_fail(HEDDLE_BAD_SHAPE, "axis %d of tensor '%s' has size %lld", (int)i, name,
                         (ll)got->shape[i]);
    if (got->shape[i] > INT32_MAX)
      return heddle_fail(HEDDLE_TOO_LARGE,
                         "axis %d (%s) of tensor '%s' has size %lld, over 2^31 - 1", (int)i,
                         want->axes[i].text, name, (ll)got->shape[i]);
  }
  return HEDDLE_OK;
}

/* A result may not write an element twice. Broadcast (stride 0) and sliding views are for inputs. */
static int check_distinct(const heddle_kernel_tensor *want, const heddle_tensor *got) {
  int64_t order[HEDDLE_MAX_NDIM], count = 0;
  for (int64_t i = 0; i < got->ndim; ++i) {
    if (got->shape[i] == 1)
      continue;
    int64_t at = count++;
    while (at > 0 && llabs(stride_of(got, order[at - 1])) > llabs(stride_of(got, i))) {
      order[at] = order[at - 1];
      --at;
    }
    order[at] = i;
  }
  int64_t extent = 1;
  for (int64_t n = 0; n < count; ++n) {
    int64_t axis = order[n], stride = llabs(stride_of(got, axis));
    if (stride < extent)
      return heddle_fail(HEDDLE_BAD_STRIDE,
                         "result '%s' overlaps itself: axis %d has stride %lld, the axes inside it "
                         "reach %lld elements",
                         want->name, (int)axis, (ll)stride, (ll)extent);
    extent += (got->shape[axis] - 1) * stride;
  }
  return HEDDLE_OK;
}

static int check_memory(const heddle_kernel_tensor *want, const heddle_tensor *got, uintptr_t *low,
                        uintptr_t *high) {
  int64_t first, end;
  int status = span(got, want->name, &first, &end);
  *low = *high = 0;
  if (status || first == end)
    return status;
  if (!got->data)
    return heddle_fail(HEDDLE_NULL_TENSOR, "the data of tensor '%s' is null", want->name);
  int64_t last = got->ndim - 1;
  if (got->ndim && got->shape[last] > 1 && stride_of(got, last) != 1)
    return heddle_fail(HEDDLE_BAD_STRIDE,
                       "the innermost axis (%s) of tensor '%s' has stride %lld; it must be 1",
                       want->axes[last].text, want->name, (ll)stride_of(got, last));
  uintptr_t data = (uintptr_t)got->data + got->byte_offset;
  if (data % (uintptr_t)(want->type_bits / 8))
    return heddle_fail(HEDDLE_MISALIGNED, "the data of tensor '%s' is not aligned to %d bytes",
                       want->name, (int)(want->type_bits / 8));
  *low = data + (uintptr_t)first;
  *high = data + (uintptr_t)end;
  return want->is_result ? check_distinct(want, got) : HEDDLE_OK;
}

static int check_overlaps(const heddle_kernel *kernel, const uintptr_t *low,
                          const uintptr_t *high) {
  for (int64_t i = 0; i < kernel->num_tensors; ++i)
    for (int64_t j = 0; j < kernel->num_tensors; ++j) {
      int twice = kernel->tensors[j].is_result && j >= i; /* said the other way round */
      if (i == j || !kernel->tensors[i].is_result || twice)
        continue;
      if (low[i] < high[j] && low[j] < high[i])
        return heddle_fail(HEDDLE_OVERLAP, "result '%s' shares memory with tensor '%s'",
                           kernel->tensors[i].name, kernel->tensors[j].name);
    }
  return HEDDLE_OK;
}

/* Dims from tensors and arguments, params, then what follows from them. */
static int fill_values(heddle_call *call, const heddle_tensor *const *tensors,
                       const int64_t *word) {
  const heddle_kernel *kernel = call->kernel;
  for (int64_t i = 0; i < kernel->num_dims; ++i) {
    const heddle_kernel_dim *dim = &kernel->dims[i];
    int64_t size = dim->kind == HEDDLE_DIM_DERIVED ? 0 : dim->value; /* derived ones: below */
    if (dim->kind == HEDDLE_DIM_TENSOR)
      size = tensors[dim->tensor]->shape[dim->axis];
    if (dim->kind == HEDDLE_DIM_ARGUMENT)
      size = *word++;
    if (size < 0)
      return heddle_fail(HEDDLE_BAD_SHAPE, "dim '%s' is %lld", dim->name, (ll)size);
    call->values[i] = size;
  }
  for (int64_t i = 0; i < kernel->num_params; ++i)
    call->values[kernel->num_dims + i] = *word++;
  if (kernel->derive)
    kernel->derive(call->values);
  for (int64_t i = 0; i < kernel->num_dims; ++i) {
    if (call->values[i] > INT32_MAX)
      return heddle_fail(HEDDLE_TOO_LARGE, "dim '%s' is %lld, over 2^31 - 1", kernel->dims[i].name,
                         (ll)call->values[i]);
    if (call->values[i] < 0)
      return heddle_fail(HEDDLE_BAD_SHAPE, "dim '%s' comes out as %lld", kernel->dims[i].name,
                         (ll)call->values[i]);
  }
  return HEDDLE_OK;
}

static int check_sizes(const heddle_call *call, const heddle_tensor *const *tensors) {
  const heddle_kernel *kernel = call->kernel;
  for (int64_t t = 0; t < kernel->num_tensors; ++t)
    for (int64_t i = 0; i < kernel->tensors[t].ndim; ++i) {
      const heddle_kernel_axis *axis = &kernel->tensors[t].axes[i];
      int64_t want = axis->fixed >= 0 ? axis->fixed : call->values[axis->value];
      if (tensors[t]->shape[i] != want)
        return heddle_fail(HEDDLE_BAD_SHAPE,
                           "axis %d (%s) of tensor '%s' has size %lld, expected %lld", (int)i,
                           axis->text, kernel->tensors[t].name, (ll)tensors[t]->shape[i], (ll)want);
    }
  for (int64_t i = 0; i < kernel->num_requirements; ++i)
    if (!call->values[kernel->requirements[i].value])
      return heddle_fail(HEDDLE_REQUIREMENT, "the requirement '%s' of %s does not hold",
                         kernel->requirements[i].text, kernel->name);
  return HEDDLE_OK;
}

static void fill_slots(heddle_call *call, const heddle_tensor *const *tensors) {
  const heddle_kernel *kernel = call->kernel;
  for (int64_t t = 0; t < kernel->num_tensors; ++t) {
    int64_t *slot = &call->slots[kernel->tensors[t].slot];
    int64_t empty = 0;
    for (int64_t i = 0; i < tensors[t]->ndim; ++i)
      empty |= tensors[t]->shape[i] == 0;
    *slot = empty ? heddle_zeros_of(call)
                  : (int64_t)((uintptr_t)tensors[t]->data + tensors[t]->byte_offset);
    for (int64_t i = 0, ndim = tensors[t]->ndim; i < ndim; ++i) {
      slot[1 + i] = empty ? 0 : stride_of(tensors[t], i);
      slot[1 + ndim + i] = tensors[t]->shape[i];
    }
  }
  for (int64_t i = 0; i < kernel->num_dims; ++i)
    if (kernel->dims[i].slot >= 0)
      call->slots[kernel->dims[i].slot] = call->values[i];
  for (int64_t i = 0; i < kernel->num_params; ++i) {
    int64_t bits = call->values[kernel->num_dims + i];
    if (kernel->params[i].is_float) {
      double value;
      memcpy(&value, &bits, sizeof value);
      float narrow = (float)value;
      uint32_t word;
      memcpy(&word, &narrow, sizeof word);
      bits = word;
    } else {
      bits = (uint32_t)bits;
    }
    call->slots[kernel->params[i].slot] = bits;
  }
}

static int read_exec(heddle_call *call, const heddle_exec *exec) {
  memset(&call->exec, 0, sizeof call->exec);
  if (!exec)
    return HEDDLE_OK;
  /* A program built against an older header has a shorter one; what it lacks is zero. */
  if (exec->struct_size < 16 || exec->struct_size > sizeof *exec)
    return heddle_fail(HEDDLE_BAD_ARGS, "exec->struct_size is %llu, expected %llu",
                       (unsigned long long)exec->struct_size, (unsigned long long)sizeof *exec);
  memcpy(&call->exec, exec, (size_t)exec->struct_size);
  return HEDDLE_OK;
}

static int check_device(heddle_call *call, const heddle_tensor *const *tensors) {
  const heddle_kernel *kernel = call->kernel;
  for (int64_t t = 0; t < kernel->num_tensors; ++t) {
    int32_t type = tensors[t]->device_type;
    if (type != HEDDLE_CPU && type != HEDDLE_CUDA)
      return heddle_fail(HEDDLE_BAD_DEVICE,
                         "tensor '%s' is on a device of type %d; 1 is a CPU, 2 CUDA",
                         kernel->tensors[t].name, (int)type);
    if (type != tensors[0]->device_type)
      return heddle_fail(HEDDLE_BAD_DEVICE, "tensors '%s' and '%s' are on different devices",
                         kernel->tensors[0].name, kernel->tensors[t].name);
  }
  call->device = tensors[0]->device_type;
  if (call->device == HEDDLE_CUDA && !call->exec.device)
    return heddle_fail(HEDDLE_BAD_DEVICE,
                       "tensors on a GPU need exec->device (heddle_device_open)");
  return HEDDLE_OK;
}

int heddle_bind(const heddle_kernel *kernel, const void *args, heddle_call *call) {
  const int64_t *words = args;
  int64_t count = 2 + kernel->num_tensors + kernel->num_params;
  for (int64_t i = 0; i < kernel->num_dims; ++i)
    count += kernel->dims[i].kind == HEDDLE_DIM_ARGUMENT;
  if (kernel->abi != HEDDLE_KERNEL_ABI || kernel->num_slots > HEDDLE_MAX_SLOTS ||
      kernel->num_values > HEDDLE_MAX_VALUES)
    return heddle_fail(HEDDLE_BAD_ARGS, "%s was compiled for another runtime", kernel->name);
  if (!args)
    return heddle_fail(HEDDLE_BAD_ARGS, "args is null");
  if (words[0] != 8 * count)
    return heddle_fail(HEDDLE_BAD_ARGS, "args->struct_size is %lld, expected %lld", (ll)words[0],
                       (ll)(8 * count));
  call->kernel = kernel;
  const heddle_tensor *tensors[HEDDLE_MAX_SLOTS];
  uintptr_t low[HEDDLE_MAX_SLOTS], high[HEDDLE_MAX_SLOTS];
  memcpy(tensors, words + 1, (size_t)kernel->num_tensors * sizeof *tensors);
  const heddle_exec *exec;
  memcpy(&exec, words + count - 1, sizeof exec);
  int status = read_exec(call, exec);
  for (int64_t t = 0; !status && t < kernel->num_tensors; ++t)
    status = check_form(&kernel->tensors[t], tensors[t]);
  if (!status)
    status = fill_values(call, tensors, words + 1 + kernel->num_tensors);
  if (!status)
    status = check_sizes(call, tensors);
  for (int64_t t = 0; !status && t < kernel->num_tensors; ++t)
    status = check_memory(&kernel->tensors[t], tensors[t], &low[t], &high[t]);
  if (!status)
    status = check_overlaps(kernel, low, high);
  if (!status)
    status = check_device(call, tensors);
  if (!status)
    fill_slots(call, tensors);
  return status;
}
