//===- Exp2.cpp - powers of two on vector registers --------------------------------------------===//
//
// A polynomial on the fraction, the exponent added by the machine. c0 is exactly 1, so that 2^-inf is
// exactly 0 and 2^0 exactly 1. Minimax coefficients in relative error: 1.4e-7 on [0, 1) (degree 5), 4.9e-7
// on [-0.5, 0.5]. NaN stays NaN.
//
//===----------------------------------------------------------------------------------------===//

#include "codegen/cpu/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle::cpu;

static constexpr float floor5[] = {1.0f,          0.693151295f,  0.240164444f,
                                   0.0557999127f, 0.00901703071f, 0.00186713005f};
static constexpr float floor4[] = {1.0f, 0.693044841f, 0.241280198f, 0.0522424728f, 0.0134266838f};
static constexpr float near5[] = {1.0f,          0.693142831f,  0.240223512f,
                                  0.0555740036f, 0.00966628268f, 0.00111255073f};
static constexpr float near4[] = {1.0f, 0.693113625f, 0.240207106f, 0.0559768826f, 0.00978291221f};

/// 2^x, or e^x if `natural`.
Value Emitter::exp2(Value x, bool natural) {
  if (natural)
    x = arith::MulFOp::create(b, x, splat(1.4426950408889634));
  bool five = schedule.getCpu().getExpDegree() >= 5;
  auto polynomial = [&](Value f, ArrayRef<float> c) {
    Value p = splat(c.back());
    for (float x : llvm::reverse(c.drop_back()))
      p = vector::FMAOp::create(b, p, f, splat(x));
    return p;
  };
  if (target.scaleByPower) {
    auto call = [&](StringRef name, ValueRange args) -> Value {
      return LLVM::CallIntrinsicOp::create(b, x.getType(), b.getStringAttr(name), args).getResult(0);
    };
    Value all = arith::ConstantIntOp::create(b, -1, 16);
    Value current = arith::ConstantIntOp::create(b, 4, 32); // no mask, the rounding of MXCSR
    Value floor = arith::ConstantIntOp::create(b, 9, 32);   // x - floor(x), no exception
    Value f = call("llvm.x86.avx512.mask.reduce.ps.512", {x, floor, splat(0), all, current});
    Value p = polynomial(f, five ? ArrayRef<float>(floor5) : ArrayRef<float>(floor4));
    return call("llvm.x86.avx512.mask.scalef.ps.512", {p, x, splat(0), all, current});
  }
  // Beyond -127 the result is 0. This order of operands keeps a NaN. Above 128 it is inf.
  Value low = splat(-127), high = splat(128);
  Value above = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, low, x);
  x = arith::SelectOp::create(b, above, low, x);
  Value below = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, high, x);
  x = arith::SelectOp::create(b, below, high, x);
  Value magic = splat(12582912); // 1.5 * 2^23: adding it rounds to an integer
  Value shifted = arith::AddFOp::create(b, x, magic);
  Value f = arith::SubFOp::create(b, x, arith::SubFOp::create(b, shifted, magic));
  Value p = polynomial(f, five ? ArrayRef<float>(near5) : ArrayRef<float>(near4));
  VectorType ints = vectorOf(i32);
  Value by = arith::ConstantOp::create(b, DenseElementsAttr::get(ints, int32_t(23)));
  Value exponent = arith::ShLIOp::create(b, arith::BitcastOp::create(b, ints, shifted), by);
  Value sum = arith::AddIOp::create(b, arith::BitcastOp::create(b, ints, p), exponent);
  return arith::BitcastOp::create(b, x.getType(), sum);
}
