//===- Compare.cpp - the same function before and after passes, on the same inputs ---------===//

#include "dialect/interpreter/Compare.h"
#include "dialect/AttnOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <limits>
#include <random>

using namespace mlir;
using namespace heddle;

SmallVector<unsigned> heddle::writtenArguments(func::FuncOp function) {
  llvm::SmallSetVector<unsigned, 4> written;
  for (BlockArgument argument : function.getArguments()) {
    SmallVector<Value> views = {argument};
    for (unsigned i = 0; i < views.size(); ++i)
      for (OpOperand &use : views[i].getUses()) {
        Operation *op = use.getOwner();
        auto attend = dyn_cast<attn::AttendOp>(op);
        auto recur = dyn_cast<attn::RecurOp>(op);
        auto store = dyn_cast<attn::StoreOp>(op);
        auto element = dyn_cast<memref::StoreOp>(op);
        if ((attend && llvm::is_contained(attend.getOuts(), views[i])) ||
            (recur && llvm::is_contained(recur.getOuts(), views[i])) ||
            (store && store.getMemory() == views[i]) ||
            (element && element.getMemRef() == views[i]))
          written.insert(argument.getArgNumber());
        if (isa<memref::TransposeOp, memref::CastOp>(op))
          views.push_back(op->getResult(0));
      }
  }
  return SmallVector<unsigned>(written.begin(), written.end());
}

/// `4x3x64`; of a scalar its value.
static bool parseSizes(StringRef text, Type type, Array &array) {
  if (!isa<ShapedType>(type)) {
    double value;
    if (text.getAsDouble(value))
      return false;
    array = Array(value);
    return true;
  }
  SmallVector<StringRef> parts;
  text.split(parts, 'x');
  SmallVector<int64_t> shape;
  double count = 1;
  for (StringRef part : parts) {
    int64_t size;
    if (part.getAsInteger(10, size) || size < 0)
      return false;
    shape.push_back(size);
    count *= double(size);
  }
  if (count > double(int64_t(1) << 32))
    return false;
  array = Array(shape);
  return true;
}

bool heddle::seedArguments(func::FuncOp function, ArrayRef<std::string> sizes, uint64_t seed,
                           std::vector<Array> &arguments, std::string &error) {
  unsigned count = function.getNumArguments();
  if (sizes.size() != count) {
    error = "expected sizes of " + std::to_string(count) + " arguments, got " +
            std::to_string(sizes.size());
    return false;
  }
  SmallVector<unsigned> written = writtenArguments(function);
  arguments.clear();
  for (auto [i, text] : llvm::enumerate(sizes)) {
    Type type = function.getArgument(i).getType();
    Array &array = arguments.emplace_back();
    if (!parseSizes(text, type, array)) {
      error = "argument " + std::to_string(i) +
              ": expected sizes such as 2x3x64, or the value of a scalar, got '" + text + "'";
      return false;
    }
    if (!isa<ShapedType>(type))
      continue;
    std::mt19937_64 generator(seed * 1000003 + i);
    bool isResult = llvm::is_contained(written, i);
    Type element = getElementTypeOrSelf(type);
    for (double &x : array.data) { // of our own, so that all standard libraries agree
      uint64_t bits = generator();
      if (isResult)
        x = std::numeric_limits<double>::quiet_NaN();
      else if (isa<FloatType>(element))
        x = double(int64_t(bits >> 11)) * std::ldexp(1.0, -52) - 1;
      else
        x = double((bits >> 32) % (element.isInteger(1) || element.isInteger(8) ? 2 : 16));
    }
  }
  return true;
}

double heddle::worstDifference(const Array &got, const Array &expected) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (got.shape != expected.shape)
    return infinity;
  double worst = 0;
  for (auto [x, y] : llvm::zip_equal(got.data, expected.data)) {
    if (x == y || (std::isnan(x) && std::isnan(y)))
      continue;
    bool finite = std::isfinite(x) && std::isfinite(y);
    worst = std::max(worst, finite ? std::fabs(x - y) / (1 + std::fabs(y)) : infinity);
  }
  return worst;
}

bool heddle::compareFunctions(func::FuncOp got, func::FuncOp expected, ArrayRef<Array> arguments,
                              double tolerance, const InterpreterOptions &options,
                              std::string &error) {
  std::vector<Array> first(arguments.begin(), arguments.end()), second = first;
  if (!interpret(got, first, options, error) || !interpret(expected, second, options, error))
    return false;
  for (unsigned i = 0; i < first.size(); ++i) {
    double worst = worstDifference(first[i], second[i]);
    if (worst <= tolerance)
      continue;
    llvm::raw_string_ostream(error)
        << "argument " << i << " differs by " << worst << ", more than " << tolerance;
    return false;
  }
  return true;
}
