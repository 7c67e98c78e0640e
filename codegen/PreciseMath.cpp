//===- PreciseMath.cpp - functions at full accuracy, from arithmetic alone ---------------------===//

#include "codegen/PreciseMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace {
/// f32 and i32 arithmetic at one place, on scalars or on vectors like `x`.
struct Lanes {
  Lanes(OpBuilder &b, Location loc, Value x)
      : b(b), loc(loc), floats(x.getType()), words(b.getI32Type()) {
    if (auto vector = dyn_cast<VectorType>(floats))
      words = vector.clone(words);
  }
  OpBuilder &b;
  Location loc;
  Type floats, words;
  Value constant(Type type, TypedAttr value) {
    if (auto vector = dyn_cast<VectorType>(type))
      return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, Attribute(value)));
    return arith::ConstantOp::create(b, loc, value);
  }
  Value real(double value) { return constant(floats, b.getF32FloatAttr(float(value))); }
  Value word(int32_t value) { return constant(words, b.getI32IntegerAttr(value)); }
  Value fma(Value p, Value q, Value r) { return math::FmaOp::create(b, loc, p, q, r); }
  Value mul(Value p, Value q) { return arith::MulFOp::create(b, loc, p, q); }
  Value sub(Value p, Value q) { return arith::SubFOp::create(b, loc, p, q); }
  Value bits(Value x) { return arith::BitcastOp::create(b, loc, words, x); }
  Value fromBits(Value x) { return arith::BitcastOp::create(b, loc, floats, x); }
  Value select(Value c, Value p, Value q) { return arith::SelectOp::create(b, loc, c, p, q); }
  Value compare(arith::CmpFPredicate how, Value p, Value q) {
    return arith::CmpFOp::create(b, loc, how, p, q);
  }
  /// Coefficients from the constant term on.
  Value polynomial(ArrayRef<double> coefficients, Value x) {
    Value p = real(coefficients.back());
    for (double c : llvm::reverse(coefficients.drop_back()))
      p = fma(p, x, real(c));
    return p;
  }
};
constexpr double magic = 12582912; // 1.5 * 2^23: adding it rounds to an integer
} // namespace

// 2^f for f in [-0.5, 0.5], 1.6e-8 relative.
static constexpr double power2[] = {1.0,           0.693147182,   0.240226477,  0.0555033237,
                                    0.00961843692, 0.00133988739, 0.00015353362};

/// x = n + f with n an integer and f in [-0.5, 0.5]; a polynomial of degree 6 on f (1.6e-8 relative,
/// c0 = 1); times 2^n in two steps, so that results below the normal range round once.
Value heddle::preciseExp(OpBuilder &b, Location loc, Value x, bool natural) {
  Lanes s(b, loc, x);
  // Beyond these the result is 0 or inf, and stays so.
  x = arith::MaximumFOp::create(b, loc, x, s.real(natural ? -110 : -160));
  x = arith::MinimumFOp::create(b, loc, x, s.real(natural ? 90 : 130));
  Value t = natural ? s.mul(x, s.real(1.4426950408889634)) : x;
  Value shifted = arith::AddFOp::create(b, loc, t, s.real(magic));
  Value n = s.sub(shifted, s.real(magic)), f;
  if (natural) { // x log2 e - n, with what the product lost
    f = s.fma(x, s.real(1.4426950408889634), arith::NegFOp::create(b, loc, n));
    f = s.fma(x, s.real(1.9259629911266175e-8), f);
  } else {
    f = s.sub(x, n);
  }
  Value p = s.polynomial(power2, f);
  Value exponent = arith::SubIOp::create(b, loc, s.bits(shifted), s.word(0x4B400000));
  Value half = arith::ShRSIOp::create(b, loc, exponent, s.word(1));
  Value rest = arith::SubIOp::create(b, loc, exponent, half);
  for (Value part : {half, rest}) {
    Value biased = arith::AddIOp::create(b, loc, part, s.word(127));
    p = s.mul(p, s.fromBits(arith::ShLIOp::create(b, loc, biased, s.word(23))));
  }
  return p;
}

/// x = 2^e m with m in [2/3, 4/3]; a polynomial on m - 1.
Value heddle::preciseLog(OpBuilder &b, Location loc, Value x, bool natural) {
  static constexpr double coefficients[] = {-0.5,         0.333331972,  -0.2499962,
                                            0.200120345,  -0.166846126, 0.139814854,
                                            -0.121483512, 0.140869141,  -0.130187988};
  Lanes s(b, loc, x);
  Value bits = s.bits(x);
  Value exponent = arith::AndIOp::create(
      b, loc, arith::SubIOp::create(b, loc, bits, s.word(0x3F2AAAAB)), s.word(int32_t(0xFF800000)));
  Value m = s.fromBits(arith::SubIOp::create(b, loc, bits, exponent));
  Value e = arith::SIToFPOp::create(b, loc, s.floats,
                                    arith::ShRSIOp::create(b, loc, exponent, s.word(23)));
  Value f = s.sub(m, s.real(1));
  Value r = s.fma(s.polynomial(coefficients, f), s.mul(f, f), f);
  Value result =
      natural ? s.fma(e, s.real(0.693147182), r) : s.fma(r, s.real(1.4426950408889634), e);
  Value zero = s.real(0), infinity = s.real(INFINITY);
  result = s.select(s.compare(arith::CmpFPredicate::OEQ, x, infinity), infinity, result);
  result = s.select(s.compare(arith::CmpFPredicate::OEQ, x, zero), s.real(-INFINITY), result);
  Value bad = s.compare(arith::CmpFPredicate::ULT, x, zero); // NaN too
  return s.select(bad, s.real(NAN), result);
}

/// x = k pi/2 + r with r in [-pi/4, pi/4], pi/2 in three parts; then the sine or cosine of r, by k.
Value heddle::preciseSine(OpBuilder &b, Location loc, Value x, bool cosine) {
  static constexpr double sine[] = {-1.66666672e-1, 8.33338592e-3, -1.98559923e-4, 2.86567956e-6};
  static constexpr double cosines[] = {1.0, -0.5, 4.16666567e-2, -1.38877297e-3, 2.44677067e-5};
  Lanes s(b, loc, x);
  Value shifted = s.fma(x, s.real(0.63661977236758134), s.real(magic));
  Value k = s.sub(shifted, s.real(magic)), r = x;
  for (double part : {1.57079601287841796875, 3.13916473260178463e-7, 5.39030252995776477e-15})
    r = s.fma(k, s.real(-part), r);
  Value square = s.mul(r, r);
  Value odd = s.fma(s.polynomial(sine, square), s.mul(square, r), r);
  Value even = s.polynomial(cosines, square);
  Value quadrant = s.bits(shifted); // its low bits are k's
  if (cosine)
    quadrant = arith::AddIOp::create(b, loc, quadrant, s.word(1));
  Value one = arith::AndIOp::create(b, loc, quadrant, s.word(1));
  Value isOdd = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, one, s.word(0));
  Value two = arith::AndIOp::create(b, loc, quadrant, s.word(2));
  Value sign = arith::ShLIOp::create(b, loc, two, s.word(30));
  Value result = s.select(isOdd, even, odd);
  return s.fromBits(arith::XOrIOp::create(b, loc, s.bits(result), sign));
}

/// e / (e + 1), where e is (e^2x - 1) / 2: with 2x = n ln 2 + 2f and f in [-ln 2 / 4, ln 2 / 4] that is
/// 2^n (f + f^2 p(f)) + (2^n - 1) / 2, p of degree 4 (1.3e-8 relative), so that of a small x nothing is
/// lost. From 10 on the result is 1.
Value heddle::preciseTanh(OpBuilder &b, Location loc, Value x) {
  static constexpr double coefficients[] = {0.99999994, 0.666661739, 0.333337605, 0.133864328,
                                            0.0444240682};
  Lanes s(b, loc, x);
  for (auto [bound, beyond] : {std::pair(-10, arith::CmpFPredicate::OGT),
                               std::pair(10, arith::CmpFPredicate::OLT)}) // keeps NaN
    x = s.select(s.compare(beyond, s.real(bound), x), s.real(bound), x);
  Value shifted = s.fma(x, s.real(2 * 1.4426950408889634), s.real(magic));
  Value n = s.sub(shifted, s.real(magic));
  Value f = s.fma(n, s.real(-0.34657359027997264), x);
  Value reduced = s.fma(s.mul(f, f), s.polynomial(coefficients, f), f);
  Value power = arith::ShLIOp::create(b, loc, s.bits(shifted), s.word(23));
  power = s.fromBits(arith::AddIOp::create(b, loc, power, s.word(0x3F800000)));
  Value e = s.fma(power, reduced, s.fma(power, s.real(0.5), s.real(-0.5)));
  // A refined reciprocal, and the remainder from e alone, as e + 1 is rounded.
  auto refined = arith::FastMathFlags::arcp | arith::FastMathFlags::ninf |
                 arith::FastMathFlags::contract; // LLVM takes none without the three
  Value one = s.real(1), sum = arith::AddFOp::create(b, loc, e, one);
  Value inverse = arith::DivFOp::create(b, loc, one, sum, refined);
  Value q = s.mul(e, inverse);
  Value remainder = s.fma(arith::NegFOp::create(b, loc, q), e, s.sub(e, q));
  return s.fma(remainder, inverse, q);
}

namespace {
template <typename OpT> struct Precise : OpRewritePattern<OpT> {
  Precise(MLIRContext *context, PatternBenefit benefit, bool keepApproximate)
      : OpRewritePattern<OpT>(context, benefit), keepApproximate(keepApproximate) {}

  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    bool approximate = bitEnumContainsAny(op.getFastmath(), arith::FastMathFlags::afn);
    // Vectors come from bodies of tiles, whose exponentials are the emitter's own.
    constexpr bool onVectors = !llvm::is_one_of<OpT, math::ExpOp, math::Exp2Op>::value;
    Type type = op.getType();
    if (!(type.isF32() || (onVectors && getElementTypeOrSelf(type).isF32())) ||
        (keepApproximate && approximate))
      return failure();
    Location loc = op.getLoc();
    Value x = op.getOperand();
    constexpr bool natural = std::is_same_v<OpT, math::ExpOp> || std::is_same_v<OpT, math::LogOp>;
    if constexpr (std::is_same_v<OpT, math::ExpOp> || std::is_same_v<OpT, math::Exp2Op>)
      rewriter.replaceOp(op, heddle::preciseExp(rewriter, loc, x, natural));
    else if constexpr (std::is_same_v<OpT, math::LogOp> || std::is_same_v<OpT, math::Log2Op>)
      rewriter.replaceOp(op, heddle::preciseLog(rewriter, loc, x, natural));
    else if constexpr (std::is_same_v<OpT, math::TanhOp>)
      rewriter.replaceOp(op, heddle::preciseTanh(rewriter, loc, x));
    else
      rewriter.replaceOp(op,
                         heddle::preciseSine(rewriter, loc, x, std::is_same_v<OpT, math::CosOp>));
    return success();
  }
  bool keepApproximate;
};
} // namespace

void heddle::populatePreciseMath(RewritePatternSet &patterns, bool keepApproximate,
                                 PatternBenefit benefit) {
  patterns
      .add<Precise<math::ExpOp>, Precise<math::Exp2Op>, Precise<math::LogOp>, Precise<math::Log2Op>,
           Precise<math::SinOp>, Precise<math::CosOp>, Precise<math::TanhOp>>(
          patterns.getContext(), benefit, keepApproximate);
}
