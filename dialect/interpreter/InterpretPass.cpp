//===- InterpretPass.cpp - heddle-opt's door to the interpreter ----------------------------===//
//
// Runs each function of a module on seeded inputs and prints, for each argument written, a digest:
//   heddle-opt x.mlir --attn-interpret="args=1x2x5x64,1x2x5x64,2 seed=1"
//   // causal, argument 1, 1x2x5x64: sum 1.234568e+00, NaN 0
// or says that they compute what the functions of the same names in a file do, to 1e-11:
//   heddle-opt x.mlir --attn-tile-attend --attn-interpret="args=... against=x.mlir"
//   // causal: as in x.mlir
// and fails if not. The printed lines are comments, so the module behind them can be parsed again.
//
//===----------------------------------------------------------------------------------------===//

#include "dialect/interpreter/InterpretPass.h"
#include "dialect/interpreter/Compare.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InterleavedRange.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace mlir;
using namespace heddle;

namespace {
struct Interpret : PassWrapper<Interpret, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Interpret)
  Interpret() = default;
  Interpret(const Interpret &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "attn-interpret"; }
  StringRef getDescription() const final {
    return "runs each function in double precision on seeded inputs; test/dialect/interpret.mlir";
  }
  void runOnOperation() final;

  ListOption<std::string> args{
      *this, "args",
      llvm::cl::desc("sizes (2x3x64) of each tensor or memref, value of each scalar")};
  Option<unsigned> seed{*this, "seed", llvm::cl::desc("of the inputs"), llvm::cl::init(1)};
  Option<std::string> against{*this, "against",
                              llvm::cl::desc("a file whose functions must compute the same")};
  Option<bool> forwards{*this, "forwards", llvm::cl::desc("grids and strips run forwards"),
                        llvm::cl::init(false)};
  Option<bool> unhoisted{*this, "unhoisted",
                         llvm::cl::desc("reads out of bounds in bodies of maps give NaN"),
                         llvm::cl::init(false)};
  Option<bool> round{*this, "round", llvm::cl::desc("floats are rounded to their types"),
                     llvm::cl::init(false)};

private:
  LogicalResult runOn(func::FuncOp function, ModuleOp reference);
};

void printDigest(func::FuncOp function, unsigned number, const Array &array) {
  double sum = 0;
  int64_t nans = 0;
  for (auto [i, x] : llvm::enumerate(array.data)) {
    if (std::isnan(x))
      ++nans;
    else // no two elements weigh the same: one in another's place shows
      sum += x * std::cos(0.1 * double(i));
  }
  llvm::outs() << "// " << function.getName() << ", argument " << number << ", "
               << llvm::interleaved(array.shape, "x") << ": sum " << llvm::format("%.6e", sum)
               << ", NaN " << nans << "\n";
}

LogicalResult Interpret::runOn(func::FuncOp function, ModuleOp reference) {
  std::string error;
  std::vector<Array> arguments;
  InterpreterOptions options;
  options.forwards = forwards;
  options.round = round;
  options.unhoisted = unhoisted;
  if (!seedArguments(function, args, seed, arguments, error))
    return function.emitError(error);
  if (reference) {
    auto expected = reference.lookupSymbol<func::FuncOp>(function.getName());
    if (!expected)
      return function.emitError("no function of this name in '") << against << "'";
    if (!compareFunctions(function, expected, arguments, 1e-11, options, error))
      return function.emitError("compared to '") << against << "': " << error;
    llvm::outs() << "// " << function.getName() << ": as in " << llvm::sys::path::filename(against)
                 << "\n";
    return success();
  }
  if (!interpret(function, arguments, options, error))
    return function.emitError(error);
  for (unsigned i : writtenArguments(function))
    printDigest(function, i, arguments[i]);
  return success();
}

void Interpret::runOnOperation() {
  OwningOpRef<ModuleOp> reference;
  if (!against.empty()) {
    reference = parseSourceFile<ModuleOp>(against, &getContext());
    if (!reference) {
      getOperation().emitError("cannot parse '") << against << "'";
      return signalPassFailure();
    }
  }
  for (auto function : getOperation().getOps<func::FuncOp>())
    if (failed(runOn(function, reference ? *reference : ModuleOp())))
      return signalPassFailure();
  markAllAnalysesPreserved();
}
} // namespace

void heddle::attn::registerInterpret() { PassRegistration<Interpret>(); }
