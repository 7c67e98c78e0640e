//===- InterpreterProgram.h - programs for the tests of the interpreter --------------------===//

#ifndef HEDDLE_TEST_UNIT_INTERPRETERPROGRAM_H
#define HEDDLE_TEST_UNIT_INTERPRETERPROGRAM_H

#include "dialect/AttnOps.h"
#include "dialect/interpreter/Compare.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

namespace heddle::test {

constexpr int64_t D = 64;
using Shape = llvm::SmallVector<int64_t>;

/// A parsed file or text; runs its functions.
class Program {
public:
  static Program fromFile(const std::string &name) {
    std::ifstream in(HEDDLE_SOURCE "/test/" + name);
    std::stringstream text;
    text << in.rdbuf();
    std::string result = text.str();
    for (size_t at; (at = result.find("@D@")) != std::string::npos;)
      result.replace(at, 3, std::to_string(D));
    return Program(result);
  }
  explicit Program(const std::string &text) {
    mlir::DialectRegistry registry;
    registry.insert<attn::AttnDialect, mlir::affine::AffineDialect, mlir::arith::ArithDialect,
                    mlir::func::FuncDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect,
                    mlir::scf::SCFDialect, mlir::tensor::TensorDialect>();
    context = std::make_unique<mlir::MLIRContext>(registry);
    module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
  }
  mlir::func::FuncOp function(llvm::StringRef name) {
    return module->lookupSymbol<mlir::func::FuncOp>(name);
  }
  /// The error, or nothing.
  std::string run(llvm::StringRef name, std::vector<Array> &arguments,
                  std::vector<Array> *returned = nullptr, InterpreterOptions options = {}) {
    std::string error;
    bool good = interpret(function(name), arguments, options, error, returned);
    EXPECT_EQ(good, error.empty());
    return error;
  }

private:
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Reproducible, in every run the same order.
inline Array random(const Shape &shape, double low, double high) {
  static std::mt19937_64 generator(7);
  Array out(shape);
  for (double &x : out.data)
    x = low + (high - low) * double(generator() >> 11) * std::ldexp(1.0, -53);
  return out;
}
} // namespace heddle::test

#endif // HEDDLE_TEST_UNIT_INTERPRETERPROGRAM_H
