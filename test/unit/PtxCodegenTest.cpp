//===- PtxCodegenTest.cpp - compiled PTX, assembled and executed against definitions -----------===//

#include "codegen/EmitObject.h"
#include "codegen/EmitPtx.h"
#include "codegen/LowerToPtx.h"
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
#include "runtime/emulator/Emulator.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <random>
#include <regex>
#include <sstream>

using namespace heddle;

namespace {
const double nan = std::numeric_limits<double>::quiet_NaN();

/// How a tensor's numbers are stored. `rounding` is half a unit in the last place, relative; `smallest` half
/// the distance of subnormals.
struct Storage {
  const char *name;
  unsigned bytes;
  double rounding, smallest;
  const llvm::fltSemantics &(*semantics)();
};
const Storage f32{"f32", 4, 0x1p-24, 0, &llvm::APFloat::IEEEsingle};
const Storage f16{"f16", 2, 0x1p-11, 0x1p-25, &llvm::APFloat::IEEEhalf};
const Storage bf16{"bf16", 2, 0x1p-8, 0, &llvm::APFloat::BFloat};

/// Row-major, in memory that a kernel reads and writes; `data` holds what is stored, exactly.
struct Tensor {
  std::vector<int64_t> shape;
  const Storage &storage;
  std::vector<double> data;
  std::vector<char> bytes;

  Tensor(std::vector<int64_t> sizes, const Storage &storage, double value)
      : shape(std::move(sizes)), storage(storage) {
    int64_t count = 1;
    for (int64_t size : shape)
      count *= size;
    data.assign(count, value);
    store();
  }
  static Tensor random(std::vector<int64_t> shape, const Storage &storage, unsigned seed,
                       double scale) {
    Tensor tensor(std::move(shape), storage, 0);
    std::mt19937 generator(seed);
    std::uniform_real_distribution<double> uniform(-scale, scale);
    for (double &x : tensor.data)
      x = uniform(generator);
    tensor.store();
    tensor.load();
    return tensor;
  }
  void store() {
    bytes.resize(data.size() * storage.bytes);
    for (size_t i = 0; i < data.size(); ++i) {
      llvm::APFloat x(data[i]);
      bool inexact;
      x.convert(storage.semantics(), llvm::APFloat::rmNearestTiesToEven, &inexact);
      uint64_t bits = x.bitcastToAPInt().getZExtValue();
      std::memcpy(&bytes[i * storage.bytes], &bits, storage.bytes);
    }
  }
  void load() {
    for (size_t i = 0; i < data.size(); ++i) {
      uint64_t bits = 0;
      std::memcpy(&bits, &bytes[i * storage.bytes], storage.bytes);
      llvm::APFloat x(storage.semantics(), llvm::APInt(storage.bytes * 8, bits));
      bool inexact;
      x.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &inexact);
      data[i] = x.convertToDouble();
    }
  }
};

/// The surface program of a file at a depth, its tensors of tokens in `storage`.
std::string program(const std::string &file, int64_t depth, const Storage &storage) {
  std::ifstream in(std::string(HEDDLE_SOURCE) + "/test/unit/inputs/" + file);
  std::stringstream read;
  read << in.rdbuf();
  std::string text = read.str();
  if (&storage != &f32) {
    std::string name = storage.name;
    text = std::regex_replace(text, std::regex(R"(\?x\?x\?x@D@xf32)"), "?x?x?x@D@x" + name);
    text =
        std::regex_replace(text, std::regex(R"((%\w+) = (tensor\.extract .*\?x\?x\?x@D@xb?f16>))"),
                           "$1s = $2\n        $1 = arith.extf $1s : " + name + " to f32");
  }
  return std::regex_replace(text, std::regex("@D@"), std::to_string(depth));
}

/// A program as PTX for sm_80, and what the host calls to launch it.
class PtxKernel {
public:
  /// Look at good() before anything else; errors have failed the test.
  explicit PtxKernel(const std::string &text, const std::string &schedule = "") {
    compile(text, schedule);
  }
  ~PtxKernel() {
    if (host)
      dlclose(host);
  }
  bool good() const { return code != nullptr; }

  /// Executes all stages: the tensors in order, then the dims.
  void run(const std::vector<Tensor *> &tensors, const std::vector<int64_t> &dims,
           const ptx::LaunchOptions &options) {
    std::vector<int64_t> slots = slotsOf(tensors, dims);
    std::vector<char> workspace(symbol<int64_t(const int64_t *)>("_workspace")(slots.data()));
    ptx::Memory memory;
    for (Tensor *tensor : tensors)
      if (!tensor->bytes.empty())
        memory.add(reinterpret_cast<uint64_t>(tensor->bytes.data()), tensor->bytes.size());
    if (!workspace.empty())
      memory.add(reinterpret_cast<uint64_t>(workspace.data()), workspace.size());
    for (size_t i = 0; i < stages.size(); ++i) {
      int64_t blocks[3] = {-1, -1, -1};
      symbol<void(const int64_t *, int64_t *)>("_grid" + std::to_string(i))(slots.data(), blocks);
      ASSERT_EQ(blocks[1], 1);
      ASSERT_EQ(blocks[2], 1);
      if (blocks[0] != 0)
        ASSERT_NO_FATAL_FAILURE(launch(stages[i], blocks[0], slots, workspace, memory, options));
    }
    for (Tensor *tensor : tensors)
      tensor->load();
  }

  std::string ptx;
  std::vector<PtxStage> stages;
  static const TargetInfo &target;

private:
  void compile(const std::string &text, const std::string &schedule) {
    mlir::DialectRegistry registry;
    registry.insert<attn::AttnDialect, mlir::affine::AffineDialect, mlir::arith::ArithDialect,
                    mlir::func::FuncDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect,
                    mlir::scf::SCFDialect, mlir::tensor::TensorDialect>();
    mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
    context.loadAllAvailableDialects();
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    mlir::PassManager pm(&context);
    PipelineOptions options;
    options.target = &target;
    options.schedule = schedule;
    buildPipeline(pm, options);
    ASSERT_TRUE(mlir::succeeded(pm.run(*module)));
    name = (*module->getOps<mlir::func::FuncOp>().begin()).getName().str();
    mlir::OwningOpRef<mlir::ModuleOp> kernels = lowerToPtx(*module, target, "", stages);
    ASSERT_TRUE(kernels);
    auto emitted = emitPtx(*kernels, target);
    ASSERT_TRUE(bool(emitted)) << llvm::toString(emitted.takeError());
    ptx = std::move(*emitted);
    mlir::OwningOpRef<mlir::ModuleOp> launches = lowerLaunches(*module, "", stages);
    ASSERT_TRUE(launches);
    auto object = emitCode(*launches, baselineTarget(), CodeKind::Object);
    ASSERT_TRUE(bool(object)) << llvm::toString(object.takeError());
    ASSERT_NO_FATAL_FAILURE(loadHost(*object));
    std::string error;
    code = ptx::Module::parse(ptx, error);
    ASSERT_TRUE(code) << error;
  }
  void loadHost(const std::string &object) {
    llvm::SmallString<64> folder;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("heddle-test", folder));
    std::string source = (folder + "/k.o").str(), library = (folder + "/k.so").str();
    std::error_code error;
    llvm::raw_fd_ostream(source, error) << object;
    int status = std::system(("ld.lld-22 -shared -o " + library + " " + source).c_str());
    host = status ? nullptr : dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    llvm::sys::fs::remove_directories(folder);
    ASSERT_TRUE(host);
  }
  template <typename FunctionT> FunctionT *symbol(const std::string &suffix) {
    return reinterpret_cast<FunctionT *>(dlsym(host, (name + suffix).c_str()));
  }
  static std::vector<int64_t> slotsOf(const std::vector<Tensor *> &tensors,
                                      const std::vector<int64_t> &dims) {
    std::vector<int64_t> slots;
    for (Tensor *tensor : tensors) {
      slots.push_back(reinterpret_cast<int64_t>(tensor->bytes.data()));
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
  void launch(const PtxStage &stage, int64_t blocks, const std::vector<int64_t> &slots,
              std::vector<char> &workspace, ptx::Memory &memory,
              const ptx::LaunchOptions &options) {
    const ptx::Kernel *kernel = code->find(stage.entry);
    ASSERT_TRUE(kernel) << stage.entry;
    ASSERT_EQ(ptx::maxThreads(*kernel), uint32_t(stage.threads));
    std::vector<int64_t> words = slots;
    words.push_back(reinterpret_cast<int64_t>(workspace.data()));
    ASSERT_EQ(ptx::parameterSizes(*kernel), std::vector<uint32_t>(words.size(), 8));
    std::vector<uint8_t> parameters(words.size() * 8);
    std::memcpy(parameters.data(), words.data(), parameters.size());
    uint32_t grid[3] = {uint32_t(blocks), 1, 1}, block[3] = {uint32_t(stage.threads), 1, 1};
    ptx::LaunchResult result = ptx::launch(*kernel, memory, grid, block, 0, parameters, options);
    ASSERT_TRUE(result.good) << result.fault;
  }

  std::string name;
  void *host = nullptr;
  std::unique_ptr<ptx::Module> code;
};
const TargetInfo &PtxKernel::target = *lookupTarget("sm_80");

/// What a result may miss by: the arithmetic's error, then that of storing it.
double allowed(const Storage &storage, double expected, double arithmetic) {
  return arithmetic + storage.rounding * std::abs(expected) + storage.smallest;
}

/// Causal, bottom right, grouped heads.
void checkCausal(PtxKernel &kernel, const Storage &storage, int64_t N, int64_t M, int64_t D) {
  const int64_t B = 2, H = 2, Hkv = 1;
  Tensor q = Tensor::random({B, H, N, D}, storage, 1, 0.5);
  Tensor k = Tensor::random({B, Hkv, M, D}, storage, 2, 1);
  Tensor v = Tensor::random({B, Hkv, M, D}, storage, 3, 1);
  Tensor o({B, H, N, D}, storage, nan), l({B, H, N}, f32, nan);
  ptx::LaunchOptions options{/*seed=*/7, /*perturb=*/11};
  ASSERT_NO_FATAL_FAILURE(kernel.run({&q, &k, &v, &o, &l}, {B, H, Hkv, N, M}, options));
  for (int64_t row = 0; row < B * H * N; ++row) {
    int64_t i = row % N, h = row / N % H, b = row / N / H, first = (b * Hkv + h / (H / Hkv)) * M;
    int64_t keys = std::min(std::max<int64_t>(i + M - N + 1, 0), M);
    std::vector<double> out(D), scores;
    double sum = 0, high = -INFINITY;
    for (int64_t j = 0; j < keys; ++j) {
      double dot = 0;
      for (int64_t d = 0; d < D; ++d)
        dot += q.data[row * D + d] * k.data[(first + j) * D + d];
      scores.push_back(dot);
      high = std::max(high, dot);
    }
    for (int64_t j = 0; j < keys; ++j) {
      double weight = std::exp(scores[j] - high);
      sum += weight;
      for (int64_t d = 0; d < D; ++d)
        out[d] += weight * v.data[(first + j) * D + d];
    }
    if (keys == 0) {
      ASSERT_EQ(l.data[row], -INFINITY) << "row " << row;
    } else {
      double lse = high + std::log(sum);
      ASSERT_NEAR(l.data[row], lse, 4e-6 + 2e-6 * std::abs(lse)) << "row " << row;
    }
    for (int64_t d = 0; d < D; ++d) {
      double expected = keys ? out[d] / sum : 0;
      ASSERT_NEAR(o.data[row * D + d], expected, allowed(storage, expected, 3e-6))
          << "row " << row << " column " << d << " N " << N << " M " << M;
    }
  }
}

/// A decay per token and head, state in and out.
void checkDecayed(PtxKernel &kernel, const Storage &storage, int64_t N, int64_t D) {
  const int64_t B = 1, H = 2;
  Tensor q = Tensor::random({B, H, N, D}, storage, 1, 1);
  Tensor k = Tensor::random({B, H, N, D}, storage, 2, 1);
  Tensor v = Tensor::random({B, H, N, D}, storage, 3, 1);
  Tensor a = Tensor::random({B, H, N}, f32, 4, 1), s0 = Tensor::random({B, H, D, D}, f32, 5, 1);
  Tensor o({B, H, N, D}, storage, nan), s1({B, H, D, D}, f32, nan);
  for (double &x : a.data)
    x = -std::abs(x);
  a.store();
  ptx::LaunchOptions options{/*seed=*/3, /*perturb=*/5};
  ASSERT_NO_FATAL_FAILURE(kernel.run({&q, &k, &v, &a, &s0, &o, &s1}, {B, H, N}, options));
  for (int64_t head = 0; head < B * H; ++head) {
    std::vector<double> s(s0.data.begin() + head * D * D, s0.data.begin() + (head + 1) * D * D);
    for (int64_t t = 0; t < N; ++t) {
      int64_t row = head * N + t;
      double decay = std::exp(a.data[row]);
      for (int64_t e = 0; e < D; ++e) {
        double out = 0;
        for (int64_t d = 0; d < D; ++d) {
          double &x = s[d * D + e];
          x = decay * x + k.data[row * D + d] * v.data[row * D + e];
          out += q.data[row * D + d] * x;
        }
        ASSERT_NEAR(o.data[row * D + e], out, allowed(storage, out, 2e-4))
            << "head " << head << " token " << t << " column " << e << " N " << N;
      }
    }
    for (int64_t i = 0; i < D * D; ++i)
      ASSERT_NEAR(s1.data[head * D * D + i], s[i], 1e-4) << "state of head " << head << " N " << N;
  }
}

/// What NVIDIA's assembler must be able to take without more than the text.
void checkText(const PtxKernel &kernel) {
  EXPECT_NE(kernel.ptx.find(".version 7.0\n"), std::string::npos);
  EXPECT_NE(kernel.ptx.find(".target sm_80\n"), std::string::npos);
  EXPECT_EQ(kernel.ptx.find(".extern .func"), std::string::npos);
  EXPECT_EQ(kernel.ptx.find("__nv_"), std::string::npos);
  for (const PtxStage &stage : kernel.stages)
    EXPECT_LE(stage.sharedBytes, 48 * 1024) << stage.entry;
}

void checkAssembled(const PtxKernel &kernel) {
  auto cubin = assemblePtx(kernel.ptx, PtxKernel::target);
  ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
  EXPECT_FALSE(cubin->bytes.empty());
  ASSERT_EQ(cubin->usage.size(), kernel.stages.size());
  for (const PtxUsage &usage : cubin->usage) {
    EXPECT_EQ(usage.spillStores, 0) << usage.entry;
    EXPECT_EQ(usage.spillLoads, 0) << usage.entry;
  }
}

class Ptx : public testing::TestWithParam<const Storage *> {};

TEST_P(Ptx, CausalAttention) {
  for (int64_t D : {64, 1, 60, 80}) {
    SCOPED_TRACE("D " + std::to_string(D));
    PtxKernel kernel(program("causal.mlir", D, *GetParam()));
    ASSERT_TRUE(kernel.good());
    for (auto [N, M] : std::vector<std::pair<int64_t, int64_t>>{
             {67, 67}, {33, 150}, {90, 37}, {1, 1}, {1, 71}, {5, 0}, {0, 9}})
      ASSERT_NO_FATAL_FAILURE(checkCausal(kernel, *GetParam(), N, M, D));
  }
}

TEST_P(Ptx, DecayedRecurrence) {
  for (int64_t D : {64, 1, 60, 80})
    for (const char *form : {"form=carried", "form=two_level", "form=carried,chunk=7"}) {
      SCOPED_TRACE(std::string(form) + " D " + std::to_string(D));
      PtxKernel kernel(program("decayed.mlir", D, *GetParam()), form);
      ASSERT_TRUE(kernel.good());
      for (int64_t N : {71, 32, 1, 0})
        ASSERT_NO_FATAL_FAILURE(checkDecayed(kernel, *GetParam(), N, D));
    }
}

TEST_P(Ptx, NeedsNoLibraryAndAssemblesWithoutSpills) {
  bool assembles = !findPtxas().empty();
  for (const char *file : {"causal.mlir", "decayed.mlir"})
    for (int64_t D : {64, 1, 60, 80, 256}) {
      SCOPED_TRACE(std::string(file) + " D " + std::to_string(D));
      PtxKernel kernel(program(file, D, *GetParam()));
      ASSERT_TRUE(kernel.good());
      checkText(kernel);
      if (assembles)
        ASSERT_NO_FATAL_FAILURE(checkAssembled(kernel));
    }
  if (!assembles)
    GTEST_SKIP() << "no ptxas: the texts were read, not assembled";
}

INSTANTIATE_TEST_SUITE_P(Storage, Ptx, testing::Values(&f32, &f16, &bf16),
                         [](const auto &info) { return std::string(info.param->name); });
} // namespace
