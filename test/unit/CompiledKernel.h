//===- CompiledKernel.h - surface ops in a file, compiled and loaded, for tests ----------------===//

#ifndef HEDDLE_TEST_UNIT_COMPILEDKERNEL_H
#define HEDDLE_TEST_UNIT_COMPILEDKERNEL_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace heddle::test {

/// A tensor of f32 in memory of its own, row-major.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<float> data;
  explicit Tensor(std::vector<int64_t> shape, float value = 0);
  /// Uniform in [-scale, scale], from a seed.
  static Tensor random(std::vector<int64_t> shape, unsigned seed, float scale);
};

/// The CPU code of a function of surface ops.
class CompiledKernel {
public:
  /// Compiles text (MLIR, one function) for a target with a schedule wish; aborts the test on an error.
  CompiledKernel(const std::string &text, const std::string &target,
                 const std::string &schedule = "");
  ~CompiledKernel();

  /// Runs all stages on one thread: the tensors in order, then the dims.
  void run(const std::vector<Tensor *> &tensors, const std::vector<int64_t> &dims);
  /// The same, from slots.
  void runSlots(const std::vector<int64_t> &slots);
  std::vector<int64_t> slots(const std::vector<Tensor *> &tensors,
                             const std::vector<int64_t> &dims);
  int64_t numItems(unsigned stage, const std::vector<int64_t> &slots);
  void runItem(unsigned stage, const std::vector<int64_t> &slots, int64_t item);

  double compileSeconds = 0;
  std::string assembly;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace heddle::test

#endif // HEDDLE_TEST_UNIT_COMPILEDKERNEL_H
