//===- Tensors.h - the tensors of a call, in host memory ---------------------------------------===//

#ifndef HEDDLE_TOOLS_TENSORS_H
#define HEDDLE_TOOLS_TENSORS_H

#include "Npy.h"
#include "runtime/include/heddle.h"
#include "specs/reader/Spec.h"
#include <memory>

namespace heddle {

/// How a tensor lies in memory. Padded: every row and plane has a gap. Broadcast: the first axis of an
/// input has stride 0.
enum class Layout { Contiguous, Padded, Broadcast };

/// Gives back mapped memory.
struct Unmap {
  size_t length = 0;
  char *start = nullptr;
  void operator()(char *) const;
};

/// One input or result of a call. Its memory ends at a page that cannot be touched.
class HostTensor {
public:
  HostTensor(const SpecTensor &spec, std::vector<int64_t> shape, Layout layout, bool largePages);
  HostTensor(HostTensor &&) = default;

  const SpecTensor &spec;
  std::vector<int64_t> shape, strides;
  int64_t count() const;
  int64_t bytes() const { return numBytes; }
  char *data() { return memory.get(); }
  /// For NAME_args, at `data` (null: here).
  heddle_tensor describe(int32_t device = HEDDLE_CPU, void *data = nullptr);

  double get(int64_t number) const;       // the element of that row-major number
  void set(int64_t number, double value); // rounded to the storage type
  /// All bits one: NaN, or -1.
  void poison();

private:
  int64_t offset(int64_t number) const;
  int64_t elementBytes, numBytes = 0;
  std::unique_ptr<char, Unmap> memory;
};

/// The tensors of a call, inputs then results, as the spec's sizes say. Empty: `fault` says which size
/// is missing, negative or too large. Memory over `limit` bytes in all is refused. `largePages`: the system is asked
/// for them; else it gives what it gives.
std::optional<std::vector<HostTensor>> createTensors(const Spec &spec, const ValueMap &sizes,
                                                     Layout layout, int64_t limit,
                                                     std::string &fault, bool largePages = false);

/// Seeded test data: floats standard normal or uniform in the spec's range, integers uniform in it,
/// sorted and distinct as promised. False: `fault`.
bool fillRandom(HostTensor &tensor, const ValueMap &sizes, uint64_t seed, std::string &fault);
/// From a file of the same shape and type (bf16 as uint16 bits). False: `fault`.
bool fillFrom(HostTensor &tensor, const NpyArray &array, std::string &fault);
/// Row-major.
NpyArray toNpy(const HostTensor &tensor);

} // namespace heddle

#endif // HEDDLE_TOOLS_TENSORS_H
