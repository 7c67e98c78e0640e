//===- CompiledKernel.cpp - surface ops in a file, compiled and loaded, for tests --------------===//

#include "test/unit/CompiledKernel.h"
#include "codegen/EmitObject.h"
#include "codegen/LowerToCpu.h"
#include "codegen/Pipeline.h"
#include "dialect/AttnOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <random>

using namespace mlir;
using namespace heddle;
using namespace heddle::test;

Tensor::Tensor(std::vector<int64_t> shape, float value) : shape(std::move(shape)) {
  int64_t count = 1;
  for (int64_t size : this->shape)
    count *= size;
  data.assign(count, value);
}
Tensor Tensor::random(std::vector<int64_t> shape, unsigned seed, float scale) {
  Tensor tensor(std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  for (float &x : tensor.data)
    x = uniform(generator);
  return tensor;
}

struct CompiledKernel::Impl {
  CpuStages stages;
  std::string name;
  void *library = nullptr;
  std::vector<char> scratch, workspace;

  void *symbol(const std::string &suffix) { return dlsym(library, (name + suffix).c_str()); }
};

[[noreturn]] static void fail(const std::string &what) {
  llvm::errs() << "CompiledKernel: " << what << "\n";
  abort();
}

static void *loadObject(const std::string &bytes) {
  llvm::SmallString<64> folder;
  if (llvm::sys::fs::createUniqueDirectory("heddle-test", folder))
    fail("no temporary folder");
  std::string object = (folder + "/k.o").str(), library = (folder + "/k.so").str();
  std::error_code code;
  llvm::raw_fd_ostream(object, code) << bytes;
  std::string command = "ld.lld-22 -shared -o " + library + " " + object;
  if (std::system(command.c_str()))
    fail("cannot link");
  void *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    fail(dlerror());
  llvm::sys::fs::remove_directories(folder);
  return handle;
}

CompiledKernel::CompiledKernel(const std::string &text, const std::string &target,
                               const std::string &schedule)
    : impl(std::make_unique<Impl>()) {
  DialectRegistry registry;
  registry
      .insert<attn::AttnDialect, affine::AffineDialect, arith::ArithDialect, func::FuncDialect,
              math::MathDialect, memref::MemRefDialect, scf::SCFDialect, tensor::TensorDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto start = std::chrono::steady_clock::now();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    fail("cannot parse");
  const TargetInfo &info = *lookupTarget(target);
  PassManager pm(&context);
  PipelineOptions options;
  options.target = &info;
  options.schedule = schedule;
  buildPipeline(pm, options);
  if (failed(pm.run(*module)))
    fail("the pipeline failed");
  impl->name = (*module->getOps<func::FuncOp>().begin()).getName().str();
  OwningOpRef<ModuleOp> lowered = lowerToCpu(*module, info, "", impl->stages);
  if (!lowered)
    fail("cannot lower");
  std::string object = llvm::cantFail(emitCode(*lowered, info, CodeKind::Object));
  compileSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (std::getenv("HEDDLE_DUMP_ASM"))
    assembly = llvm::cantFail(emitCode(*lowered, info, CodeKind::Assembly));
  impl->library = loadObject(object);
  impl->scratch.resize(impl->stages.scratchBytes + 64);
}

CompiledKernel::~CompiledKernel() {
  if (impl->library)
    dlclose(impl->library);
}

std::vector<int64_t> CompiledKernel::slots(const std::vector<Tensor *> &tensors,
                                           const std::vector<int64_t> &dims) {
  std::vector<int64_t> slots;
  for (Tensor *tensor : tensors) {
    slots.push_back(reinterpret_cast<int64_t>(tensor->data.data()));
    for (size_t axis = 0; axis < tensor->shape.size(); ++axis) {
      int64_t stride = 1;
      for (size_t i = axis + 1; i < tensor->shape.size(); ++i)
        stride *= tensor->shape[i];
      slots.push_back(stride);
    }
    slots.insert(slots.end(), tensor->shape.begin(), tensor->shape.end());
  }
  slots.insert(slots.end(), dims.begin(), dims.end());
  return slots;
}

int64_t CompiledKernel::numItems(unsigned stage, const std::vector<int64_t> &slots) {
  using Grid = void (*)(const int64_t *, int64_t *);
  auto grid = reinterpret_cast<Grid>(impl->symbol("_grid" + std::to_string(stage)));
  int64_t sizes[3];
  grid(slots.data(), sizes);
  return sizes[0] * sizes[1] * sizes[2];
}

void CompiledKernel::runItem(unsigned stage, const std::vector<int64_t> &slots, int64_t number) {
  using Item = void (*)(const int64_t *, int64_t, char *, char *);
  auto item = reinterpret_cast<Item>(impl->symbol("_item" + std::to_string(stage)));
  auto aligned = [](std::vector<char> &bytes) {
    return reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
  };
  item(slots.data(), number, aligned(impl->scratch), aligned(impl->workspace));
}

void CompiledKernel::runSlots(const std::vector<int64_t> &slots) {
  using Workspace = int64_t (*)(const int64_t *);
  auto workspace = reinterpret_cast<Workspace>(impl->symbol("_workspace"));
  impl->workspace.assign(workspace(slots.data()) + 64, 0);
  for (unsigned stage = 0; stage < impl->stages.count; ++stage)
    for (int64_t i = 0, n = numItems(stage, slots); i < n; ++i)
      runItem(stage, slots, i);
}

void CompiledKernel::run(const std::vector<Tensor *> &tensors, const std::vector<int64_t> &dims) {
  runSlots(slots(tensors, dims));
}
