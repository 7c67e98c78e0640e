/*===- temporaries.c - what steps hand on, laid out in the workspace --------------------------------===*/

#include "internal.h"

enum { line = 64 };

typedef struct place {
  int64_t begin, end;
} place;

static int bytes_of(const heddle_call *call, const heddle_kernel_tensor *tensor, int64_t *sizes,
                    int64_t *bytes) {
  *bytes = tensor->type_bits / 8;
  for (int64_t i = tensor->ndim - 1; i >= 0; --i) {
    const heddle_kernel_axis *axis = &tensor->axes[i];
    sizes[i] = axis->fixed >= 0 ? axis->fixed : call->values[axis->value];
    if (sizes[i] < 0)
      return heddle_fail(HEDDLE_BAD_SHAPE, "axis %d (%s) of '%s' comes out as %lld", (int)i,
                         axis->text, tensor->name, (long long)sizes[i]);
    if (sizes[i] > INT32_MAX)
      return heddle_fail(HEDDLE_TOO_LARGE, "axis %d (%s) of '%s' is %lld, over 2^31 - 1", (int)i,
                         axis->text, tensor->name, (long long)sizes[i]);
    if (__builtin_mul_overflow(*bytes, sizes[i], bytes))
      return heddle_fail(HEDDLE_TOO_LARGE, "'%s' takes more than 2^63 bytes", tensor->name);
  }
  if (*bytes > INT64_MAX - line)
    return heddle_fail(HEDDLE_TOO_LARGE, "'%s' takes more than 2^63 bytes", tensor->name);
  *bytes = (*bytes + line - 1) & ~(int64_t)(line - 1);
  return HEDDLE_OK;
}

static void fill(heddle_call *call, const heddle_kernel_tensor *tensor, const int64_t *sizes,
                 uintptr_t data, int64_t bytes) {
  int64_t *slot = &call->slots[tensor->slot], stride = 1, ndim = tensor->ndim;
  slot[0] = bytes ? (int64_t)data : heddle_zeros_of(call);
  for (int64_t i = ndim - 1; i >= 0; --i) {
    slot[1 + i] = bytes ? stride : 0;
    slot[1 + ndim + i] = sizes[i];
    stride *= sizes[i];
  }
}

/* The lowest place for number n beside those before it that live at the same time. */
static int find_place(const heddle_kernel *kernel, const place *places, int64_t n, int64_t bytes,
                      int64_t *begin) {
  const heddle_kernel_temporary *own = &kernel->temporaries[n];
  *begin = 0;
  for (int64_t i = 0; i < n;) {
    const heddle_kernel_temporary *other = &kernel->temporaries[i];
    int together = other->last >= own->first && own->last >= other->first;
    if (!together || places[i].end <= *begin || *begin + bytes <= places[i].begin) {
      ++i;
      continue;
    }
    *begin = places[i].end;
    if (*begin > INT64_MAX - bytes)
      return heddle_fail(HEDDLE_TOO_LARGE, "the workspace of %s passes 2^63 bytes", kernel->name);
    i = 0;
  }
  return HEDDLE_OK;
}

int heddle_place_temporaries(heddle_call *call, uintptr_t base) {
  const heddle_kernel *kernel = call->kernel;
  place places[HEDDLE_MAX_SLOTS];
  call->temporary_bytes = 0;
  for (int64_t n = 0; n < kernel->num_temporaries; ++n) {
    const heddle_kernel_tensor *tensor = &kernel->temporaries[n].tensor;
    int64_t sizes[HEDDLE_MAX_NDIM], bytes = 0, begin = 0;
    int status = bytes_of(call, tensor, sizes, &bytes);
    if (!status)
      status = find_place(kernel, places, n, bytes, &begin);
    if (status)
      return status;
    places[n] = (place){begin, begin + bytes};
    if (places[n].end > call->temporary_bytes)
      call->temporary_bytes = places[n].end;
    fill(call, tensor, sizes, base + (uintptr_t)begin, bytes);
  }
  return HEDDLE_OK;
}
