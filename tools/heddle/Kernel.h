//===- Kernel.h - a compiled spec, loaded and called --------------------------------------------===//

#ifndef HEDDLE_TOOLS_KERNEL_H
#define HEDDLE_TOOLS_KERNEL_H

#include "Tensors.h"
#include "codegen/Compile.h"
#include "runtime/include/heddle_kernel.h"
#include "llvm/Support/Error.h"

namespace heddle {

/// The folder that `bin/heddle` stands in has a `lib` beside it: there are the runtime and the emulator.
std::string libraryFolder();

/// libNAME.so of a library, loaded from a temporary file.
class Kernel {
public:
  static llvm::Expected<std::unique_ptr<Kernel>> load(const Library &library);
  ~Kernel();

  const heddle_kernel *info() const { return descriptor; }
  /// Where the tensors are: HEDDLE_CPU, or HEDDLE_CUDA behind whatever $HEDDLE_LIBCUDA names.
  int32_t device = HEDDLE_CPU;
  int32_t threads = 1;
  int lastStatus = HEDDLE_OK; // of the last call that failed

  /// Runs a call; results are written. An error carries heddle_last_error().
  llvm::Error run(const Spec &spec, std::vector<HostTensor> &tensors, const ValueMap &sizes);

  /// A call that is ready: args and all they point to.
  struct Call {
    std::vector<heddle_tensor> tensors;
    std::vector<int64_t> words;
    heddle_exec exec = {};
    std::vector<char> workspace;
  };
  /// On this CPU. The workspace is what the kernel asks for.
  llvm::Expected<std::unique_ptr<Call>> prepare(const Spec &spec, std::vector<HostTensor> &tensors,
                                                const ValueMap &sizes);
  int start(const Call &call) { return entry(call.words.data()); }
  llvm::Error tryStart(const Call &call);
  /// The variant that a call takes, its slots (heddle_kernel.h; HEDDLE_MAX_SLOTS of them, or null) and the
  /// workspace of its stages (or null).
  const heddle_kernel_variant *bind(const Call &call, int64_t *slots, char **workspace);

private:
  Kernel() = default;
  void words(const Spec &spec, const ValueMap &sizes, Call &call);
  llvm::Error failure(int code);
  llvm::Error runOnDevice(const Spec &spec, std::vector<HostTensor> &tensors,
                          const ValueMap &sizes);

  void *handle = nullptr;
  const heddle_kernel *descriptor = nullptr;
  int (*entry)(const void *) = nullptr;
  int (*workspace)(const void *, int64_t *) = nullptr;
  heddle_pool *pool = nullptr;
  int32_t poolThreads = 0;
  /// The runtime inside the library.
  template <typename T> T *symbol(const std::string &name);
};

} // namespace heddle

#endif // HEDDLE_TOOLS_KERNEL_H
