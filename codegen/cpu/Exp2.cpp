//===- Exp2.cpp - powers of two on vector registers --------------------------------------------===//
//
// A polynomial on the fraction, the exponent added by the machine. c0 is exactly 1, so that 2^-inf is
// exactly 0 and 2^0 exactly 1. Minimax coefficients in relative error; on [0, 1) and on [-0.5, 0.5]:
// degree 6: 1.3e-8, 1.6e-8; degree 5: 1.4e-7, 4.9e-7. NaN stays NaN.
//
// An op with the fast-math flag `afn` takes the schedule's degree: the weights of a softmax, whose error
// cancels in the quotient. Any other, such as the decay of a recurrence, where it would add up token by
// token, takes degree 6, and e^x carries the rounding error of x log2 e.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle::cpu;

static constexpr float floor6[] = {1.0f,           0.693147063f,  0.240229309f,   0.0554852821f,
                                   0.00967545155f, 0.0012467847f, 0.000216129149f};
static constexpr float floor5[] = {1.0f,          0.693151295f,   0.240164444f,
                                   0.0557999127f, 0.00901703071f, 0.00186713005f};
static constexpr float floor4[] = {1.0f, 0.693044841f, 0.241280198f, 0.0522424728f, 0.0134266838f};
static constexpr float near6[] = {1.0f,           0.693147182f,   0.240226477f,  0.0555033237f,
                                  0.00961843692f, 0.00133988739f, 0.00015353362f};
static constexpr float near5[] = {1.0f,          0.693142831f,   0.240223512f,
                                  0.0555740036f, 0.00966628268f, 0.00111255073f};
static constexpr float near4[] = {1.0f, 0.693113625f, 0.240207106f, 0.0559768826f, 0.00978291221f};

static bool isApproximate(Operation *op) {
  auto flags = cast<arith::ArithFastMathInterface>(op).getFastMathFlagsAttr();
  return flags && bitEnumContainsAny(flags.getValue(), arith::FastMathFlags::afn);
}

/// Its operand is -|x|: nothing is above 0.
static bool isNeverPositive(Operation *op) {
  auto negated = op->getOperand(0).getDefiningOp<arith::NegFOp>();
  return negated && negated.getOperand().getDefiningOp<math::AbsFOp>();
}

/// math.exp2 or math.exp of a register.
Value Emitter::exponential(Operation *op, Value x) {
  bool fast = isApproximate(op);
  Value rest; // what the product lost
  if (isa<math::ExpOp>(op)) {
    Value log2e = splat(1.4426950408889634), exact = x;
    x = arith::MulFOp::create(b, exact, log2e);
    if (!fast) {
      rest = vector::FMAOp::create(b, exact, log2e, arith::NegFOp::create(b, x));
      rest = vector::FMAOp::create(b, exact, splat(1.9259629911266175e-8), rest);
      // Beyond the range of exp2 there is nothing to mend: inf - inf is no number, and what is cut to
      // 2^128 below must stay a power of two, or its bits are those of a NaN.
      Value size = math::AbsFOp::create(b, x);
      Value inside = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, size, splat(127));
      rest = arith::SelectOp::create(b, inside, rest, splat(0));
    }
  }
  int64_t degree = fast ? schedule.getCpu().getExpDegree() : 6;
  auto choose = [&](ArrayRef<float> six, ArrayRef<float> five, ArrayRef<float> four) {
    return degree >= 6 ? six : degree == 5 ? five : four;
  };
  auto polynomial = [&](Value f, ArrayRef<float> c) {
    Value p = splat(c.back());
    for (float x : llvm::reverse(c.drop_back()))
      p = vector::FMAOp::create(b, p, f, splat(x));
    return p;
  };
  if (target.scaleByPower) {
    auto call = [&](StringRef name, ValueRange args) -> Value {
      return LLVM::CallIntrinsicOp::create(b, x.getType(), b.getStringAttr(name), args)
          .getResult(0);
    };
    Value all = arith::ConstantIntOp::create(b, -1, 16);
    Value current = arith::ConstantIntOp::create(b, 4, 32); // no mask, the rounding of MXCSR
    Value floor = arith::ConstantIntOp::create(b, 9, 32);   // x - floor(x), no exception
    Value f = call("llvm.x86.avx512.mask.reduce.ps.512", {x, floor, splat(0), all, current});
    if (rest)
      f = arith::AddFOp::create(b, f, rest);
    Value p = polynomial(f, choose(floor6, floor5, floor4));
    return call("llvm.x86.avx512.mask.scalef.ps.512", {p, x, splat(0), all, current});
  }
  // Beyond -127 the result is 0. This order of operands keeps a NaN. Above 128 it is inf.
  Value low = splat(-127);
  Value above = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, low, x);
  x = arith::SelectOp::create(b, above, low, x);
  if (!isNeverPositive(op)) {
    Value high = splat(128);
    Value below = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, high, x);
    x = arith::SelectOp::create(b, below, high, x);
  }
  Value magic = splat(12582912); // 1.5 * 2^23: adding it rounds to an integer
  Value shifted = arith::AddFOp::create(b, x, magic);
  Value f = arith::SubFOp::create(b, x, arith::SubFOp::create(b, shifted, magic));
  if (rest)
    f = arith::AddFOp::create(b, f, rest);
  Value p = polynomial(f, choose(near6, near5, near4));
  VectorType ints = vectorOf(i32);
  Value by = arith::ConstantOp::create(b, DenseElementsAttr::get(ints, int32_t(23)));
  Value exponent = arith::ShLIOp::create(b, arith::BitcastOp::create(b, ints, shifted), by);
  Value sum = arith::AddIOp::create(b, arith::BitcastOp::create(b, ints, p), exponent);
  return arith::BitcastOp::create(b, x.getType(), sum);
}
