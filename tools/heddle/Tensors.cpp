//===- Tensors.cpp - the tensors of a call, in host memory -------------------------------------===//

#include "Tensors.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;
using namespace heddle;

//===--- Elements ----------------------------------------------------------------------------===//

static int64_t sizeOf(StorageType type) {
  switch (type) {
  case StorageType::F32:
  case StorageType::I32:
    return 4;
  case StorageType::F16:
  case StorageType::BF16:
    return 2;
  case StorageType::I8:
  case StorageType::Bool:
    return 1;
  }
  llvm_unreachable("all storage types are above");
}

/// Bits of a 16-bit float and back; rare enough for APFloat, but for reads, which are many.
static uint16_t toBits(StorageType type, double value) {
  bool lost;
  APFloat number(value);
  number.convert(type == StorageType::F16 ? APFloat::IEEEhalf() : APFloat::BFloat(),
                 APFloat::rmNearestTiesToEven, &lost);
  return uint16_t(number.bitcastToAPInt().getZExtValue());
}
static double fromHalf(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double value = exponent == 0    ? std::ldexp(mantissa, -24)
                 : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                  : std::ldexp(mantissa + 1024, exponent - 25);
  return bits & 0x8000 ? -value : value;
}
static double fromBrain(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

template <typename T> static T load(const char *at) {
  T value;
  memcpy(&value, at, sizeof value);
  return value;
}

double HostTensor::get(int64_t number) const {
  const char *at = memory.get() + offset(number) * elementBytes;
  switch (*spec.storage) {
  case StorageType::F32:
    return load<float>(at);
  case StorageType::F16:
    return fromHalf(load<uint16_t>(at));
  case StorageType::BF16:
    return fromBrain(load<uint16_t>(at));
  case StorageType::I32:
    return load<int32_t>(at);
  case StorageType::I8:
  case StorageType::Bool:
    return load<int8_t>(at);
  }
  llvm_unreachable("all storage types are above");
}

void HostTensor::set(int64_t number, double value) {
  char *at = memory.get() + offset(number) * elementBytes;
  auto store = [&](auto bits) { memcpy(at, &bits, sizeof bits); };
  switch (*spec.storage) {
  case StorageType::F32:
    return store(float(value));
  case StorageType::F16:
  case StorageType::BF16:
    return store(toBits(*spec.storage, value));
  case StorageType::I32:
    return store(int32_t(value));
  case StorageType::I8:
  case StorageType::Bool:
    return store(int8_t(value));
  }
}

//===--- Memory ------------------------------------------------------------------------------===//

void Unmap::operator()(char *) const {
  if (start)
    munmap(start, length);
}

HostTensor::HostTensor(const SpecTensor &spec, std::vector<int64_t> sizes, Layout layout,
                       bool largePages)
    : spec(spec), shape(std::move(sizes)), strides(shape.size()),
      elementBytes(sizeOf(*spec.storage)) {
  int64_t stride = 1, extent = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    if (layout == Layout::Broadcast && i == 0 && spec.isInput() && shape.size() > 1)
      strides[i] = 0;
    extent += std::max<int64_t>(shape[i] - 1, 0) * strides[i];
    stride *= std::max<int64_t>(shape[i], 1);
    if (layout == Layout::Padded && shape.size() > 1)
      stride += i + 1 == shape.size() ? 3 : 5;
  }
  numBytes = count() ? extent * elementBytes : 0;
  size_t page = size_t(sysconf(_SC_PAGESIZE)), length = alignTo(numBytes + 1, page);
  void *start =
      mmap(nullptr, length + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED)
    report_bad_alloc_error("no memory for a tensor");
  if (largePages)
    madvise(start, length, MADV_HUGEPAGE);
  char *guard = static_cast<char *>(start) + length;
  mprotect(guard, page, PROT_NONE);
  memory = std::unique_ptr<char, Unmap>(guard - numBytes,
                                        Unmap{length + page, static_cast<char *>(start)});
  memset(memory.get(), 0xff, numBytes); // gaps are NaN
}

int64_t HostTensor::count() const {
  int64_t n = 1;
  for (int64_t size : shape)
    n *= size;
  return n;
}

int64_t HostTensor::offset(int64_t number) const {
  int64_t at = 0;
  for (size_t i = shape.size(); i-- > 0; number /= shape[i])
    at += number % shape[i] * strides[i];
  return at;
}

void HostTensor::poison() { memset(memory.get(), 0xff, numBytes); }

heddle_tensor HostTensor::describe(int32_t device, void *at) {
  StorageType type = *spec.storage;
  uint8_t code = type == StorageType::BF16                             ? HEDDLE_BFLOAT
                 : type == StorageType::Bool                           ? HEDDLE_BOOL
                 : type == StorageType::I8 || type == StorageType::I32 ? HEDDLE_INT
                                                                       : HEDDLE_FLOAT;
  return {at ? at : data(),
          device,
          0,
          int32_t(shape.size()),
          code,
          uint8_t(8 * elementBytes),
          1,
          shape.data(),
          strides.data(),
          0};
}

std::optional<std::vector<HostTensor>> heddle::createTensors(const Spec &spec,
                                                             const ValueMap &sizes, Layout layout,
                                                             int64_t limit, std::string &fault,
                                                             bool largePages) {
  std::vector<const SpecTensor *> list = spec.arguments();
  std::vector<std::vector<int64_t>> shapes;
  int64_t total = 0;
  for (const SpecTensor *tensor : list) {
    int64_t bytes = 2 * sizeOf(*tensor->storage); // gaps of padded rows are small beside that
    std::vector<int64_t> shape;
    for (const Extent &axis : tensor->axes) {
      std::optional<ExprValue> size = evaluateConstant(*axis.size, sizes);
      if (!size || size->i < 0 || size->i > INT32_MAX) {
        fault = "axis " + axis.text + " of '" + tensor->name + "' has size " +
                (size ? std::to_string(size->i) : "unknown");
        return std::nullopt;
      }
      shape.push_back(size->i);
      bool grown = MulOverflow<int64_t>(bytes, std::max<int64_t>(size->i, 1), bytes);
      if (grown || AddOverflow<int64_t>(total, 0, total)) {
        fault = "the elements of '" + tensor->name + "' pass 2^63";
        return std::nullopt;
      }
    }
    if (AddOverflow(total, bytes, total) || total > limit) {
      fault = "the tensors need more than " + std::to_string(limit >> 30) +
              " GiB; give smaller sizes by --shape";
      return std::nullopt;
    }
    shapes.push_back(std::move(shape));
  }
  std::vector<HostTensor> tensors;
  for (size_t i = 0; i < list.size(); ++i)
    tensors.emplace_back(*list[i], std::move(shapes[i]), layout, largePages);
  return tensors;
}

//===--- Contents ----------------------------------------------------------------------------===//

/// Promised order along the last axis.
static void arrange(HostTensor &tensor, std::pair<int64_t, int64_t> range,
                    std::mt19937_64 &generator) {
  int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  for (int64_t first = 0; row > 0 && first < tensor.count(); first += row) {
    std::vector<double> values;
    for (int64_t i = 0; i < row; ++i)
      values.push_back(tensor.get(first + i));
    if (tensor.spec.distinct) {
      // A sample without repetition, by Floyd's method on positions.
      std::vector<double> chosen;
      for (int64_t top = range.second - row; top < range.second; ++top) {
        double pick = double(range.first + int64_t(generator() % uint64_t(top - range.first + 1)));
        chosen.push_back(is_contained(chosen, pick) ? double(top) : pick);
      }
      std::shuffle(chosen.begin(), chosen.end(), generator);
      values = chosen;
    }
    if (tensor.spec.sorted)
      std::sort(values.begin(), values.end());
    for (int64_t i = 0; i < row; ++i)
      tensor.set(first + i, values[i]);
  }
}

bool heddle::fillRandom(HostTensor &tensor, const ValueMap &sizes, uint64_t seed,
                        std::string &fault) {
  uint64_t mixed = seed;
  for (char c : tensor.spec.name)
    mixed = mixed * 1099511628211u + uint8_t(c);
  std::mt19937_64 generator(mixed);
  double low = 0, high = 0;
  if (tensor.spec.range) {
    std::optional<ExprValue> first = evaluateConstant(*tensor.spec.range->first, sizes),
                             end = evaluateConstant(*tensor.spec.range->second, sizes);
    low = first->asFloat(), high = end->asFloat();
  } else if (tensor.spec.type == ExprType::Bool) {
    high = 2;
  }
  bool integers = tensor.spec.type != ExprType::Float, ranged = tensor.spec.range || integers;
  int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (tensor.count() && ranged &&
      (!(low < high) || (tensor.spec.distinct && high - low < double(row)))) {
    fault = "the range of '" + tensor.spec.name + "' has too few values";
    return false;
  }
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(low, high);
  // A broadcast axis is written many times; the last write stands.
  for (int64_t i = 0, n = tensor.count(); i < n; ++i) {
    double value = ranged ? uniform(generator) : normal(generator);
    tensor.set(i, integers ? std::floor(value) : value);
  }
  if (tensor.spec.sorted || tensor.spec.distinct)
    arrange(tensor, {int64_t(low), int64_t(high)}, generator);
  return true;
}

static const char *descrOf(StorageType type) {
  switch (type) {
  case StorageType::F32:
    return "<f4";
  case StorageType::F16:
    return "<f2";
  case StorageType::BF16:
    return "<u2";
  case StorageType::I32:
    return "<i4";
  case StorageType::I8:
    return "|i1";
  case StorageType::Bool:
    return "|b1";
  }
  llvm_unreachable("all storage types are above");
}

bool heddle::fillFrom(HostTensor &tensor, const NpyArray &array, std::string &fault) {
  const char *descr = descrOf(*tensor.spec.storage);
  if (array.descr != descr) {
    fault = "'" + tensor.spec.name + "' is " + std::string(spelling(*tensor.spec.storage)) + " (" +
            descr + "), the file has " + array.descr;
    return false;
  }
  if (!std::equal(array.shape.begin(), array.shape.end(), tensor.shape.begin(),
                  tensor.shape.end())) {
    fault = "'" + tensor.spec.name + "' and the file differ in shape";
    return false;
  }
  int64_t size = npyElementSize(descr);
  for (int64_t i = 0, n = tensor.count(); i < n; ++i) {
    const char *at = array.bytes.data() + i * size;
    switch (*tensor.spec.storage) {
    case StorageType::F32:
      tensor.set(i, load<float>(at));
      break;
    case StorageType::F16:
      tensor.set(i, fromHalf(load<uint16_t>(at)));
      break;
    case StorageType::BF16:
      tensor.set(i, fromBrain(load<uint16_t>(at)));
      break;
    case StorageType::I32:
      tensor.set(i, load<int32_t>(at));
      break;
    case StorageType::I8:
    case StorageType::Bool:
      tensor.set(i, load<int8_t>(at));
      break;
    }
  }
  return true;
}

NpyArray heddle::toNpy(const HostTensor &tensor) {
  NpyArray array;
  array.descr = descrOf(*tensor.spec.storage);
  array.shape.assign(tensor.shape.begin(), tensor.shape.end());
  for (int64_t i = 0, n = tensor.count(); i < n; ++i) {
    double value = tensor.get(i);
    auto append = [&](auto bits) {
      const char *start = reinterpret_cast<const char *>(&bits);
      array.bytes.insert(array.bytes.end(), start, start + sizeof bits);
    };
    switch (*tensor.spec.storage) {
    case StorageType::F32:
      append(float(value));
      break;
    case StorageType::F16:
    case StorageType::BF16:
      append(toBits(*tensor.spec.storage, value));
      break;
    case StorageType::I32:
      append(int32_t(value));
      break;
    default:
      append(int8_t(value));
    }
  }
  return array;
}
