//===- TilePlan.cpp - a mask evaluated over the positions of one key tile, as IR ---------------===//

#include "passes/TilePlan.h"
#include "dialect/AttnDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace heddle::attn;

using Kind = MaskTerm::Kind;

// More elements than this are not looked at to decide a tile: it is a boundary one.
static constexpr int64_t maxElements = 256;

static Value constant(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
static Value truth(OpBuilder &b, Location loc, bool value) {
  return arith::ConstantIntOp::create(b, loc, value, 1);
}
static Value add(OpBuilder &b, Location loc, Value x, Value y, int64_t factor = 1) {
  if (factor != 1)
    y = arith::MulIOp::create(b, loc, y, constant(b, loc, factor));
  return arith::AddIOp::create(b, loc, x, y);
}
static Value least(OpBuilder &b, Location loc, Value x, Value y) {
  return arith::MinSIOp::create(b, loc, x, y);
}
static Value most(OpBuilder &b, Location loc, Value x, Value y) {
  return arith::MaxSIOp::create(b, loc, x, y);
}

//===--- What the key has a part in -----------------------------------------------------------===//

bool TilePlan::mentionsKey(const LinearForm &form) {
  return llvm::any_of(form.parts, [&](auto part) { return mentionsKey(part.first); });
}

bool TilePlan::mentionsKey(unsigned number) {
  const MaskTerm term = mask.getTerms()[number]; // a copy: terms grow below
  switch (term.kind) {
  case Kind::position:
    return number + 1 == positions.size();
  case Kind::symbol:
    return false;
  case Kind::floorDiv:
    return mentionsKey(term.a);
  case Kind::larger:
    return mentionsKey(term.a) || mentionsKey(term.b);
  case Kind::chosen:
    return mentionsKey(term.a) || mentionsKey(term.b) || formulaMentionsKey(term.condition);
  case Kind::data:
    return llvm::any_of(term.value.getDefiningOp()->getOperands().drop_front(),
                        [&](Value subscript) { return mentionsKey(mask.read(subscript)); });
  case Kind::unknown:
    return true;
  }
  llvm_unreachable("all kinds are above");
}

bool TilePlan::formulaMentionsKey(unsigned number) {
  const MaskFormula formula = mask.getFormulas()[number]; // a copy: formulas grow below
  switch (formula.kind) {
  case MaskFormula::Kind::constant:
  case MaskFormula::Kind::unknown: // nothing is written for it
    return false;
  case MaskFormula::Kind::atLeastZero:
    return mentionsKey(LinearForm(formula.form));
  case MaskFormula::Kind::both:
  case MaskFormula::Kind::either:
    return formulaMentionsKey(formula.left) || formulaMentionsKey(formula.right);
  }
  llvm_unreachable("all kinds are above");
}

//===--- Conditions ---------------------------------------------------------------------------===//

PlanTruth TilePlan::truthOf(unsigned number) {
  auto known = truths.find(number);
  if (known != truths.end())
    return known->second;
  PlanTruth result = makeTruth(number);
  return truths[number] = result;
}

PlanTruth TilePlan::makeTruth(unsigned number) {
  const MaskFormula formula = mask.getFormulas()[number];
  OpBuilder &b = place(formulaMentionsKey(number));
  PlanTruth undecided = {truth(b, loc, true), truth(b, loc, true)};
  switch (formula.kind) {
  case MaskFormula::Kind::constant:
    return {truth(b, loc, number == 1), truth(b, loc, number == 0)};
  case MaskFormula::Kind::unknown:
    return undecided;
  case MaskFormula::Kind::atLeastZero: {
    std::optional<PlanEnds> ends = endsOf(formula.form);
    if (!ends)
      return undecided;
    Value zero = constant(b, loc, 0);
    return {arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, ends->hi, zero),
            arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, ends->lo, zero)};
  }
  case MaskFormula::Kind::both:
  case MaskFormula::Kind::either:
    break;
  }
  PlanTruth x = truthOf(formula.left), y = truthOf(formula.right);
  if (formula.kind == MaskFormula::Kind::both)
    return {arith::AndIOp::create(b, loc, x.may, y.may),
            arith::OrIOp::create(b, loc, x.fail, y.fail)};
  return {arith::OrIOp::create(b, loc, x.may, y.may),
          arith::AndIOp::create(b, loc, x.fail, y.fail)};
}

//===--- Integers -----------------------------------------------------------------------------===//

std::optional<PlanEnds> TilePlan::endsOf(const LinearForm &form) {
  if (std::optional<PlanEnds> ends = remainder(form))
    return ends;
  OpBuilder &b = place(mentionsKey(form));
  PlanEnds sum = {constant(b, loc, form.constant), constant(b, loc, form.constant)};
  for (auto [number, coefficient] : form.parts) {
    std::optional<PlanEnds> part = endsOf(number);
    if (!part)
      return std::nullopt;
    if (coefficient < 0)
      std::swap(part->lo, part->hi);
    sum.lo = add(b, loc, sum.lo, part->lo, coefficient);
    sum.hi = add(b, loc, sum.hi, part->hi, coefficient);
  }
  return sum;
}

/// m * (a - d * floor(a / d)) and more: the two parts with `a` go up and down together.
std::optional<PlanEnds> TilePlan::remainder(const LinearForm &form) {
  for (auto [number, coefficient] : form.parts) {
    const MaskTerm term = mask.getTerms()[number];
    if (term.kind != Kind::floorDiv || coefficient % term.divisor)
      continue;
    int64_t factor = -(coefficient / term.divisor);
    LinearForm rest = form;
    bool holds = true;
    for (auto [inner, scale] : term.a.parts)
      holds &= form.coefficient(inner) == factor * scale;
    if (!holds || term.a.coefficient(number))
      continue;
    llvm::erase_if(rest.parts, [&, number = number](auto part) {
      return part.first == number || term.a.coefficient(part.first);
    });
    rest.constant -= factor * term.a.constant;
    std::optional<PlanEnds> a = endsOf(term.a), others = endsOf(rest), whole = endsOf(number);
    if (!a || !others || !whole)
      return std::nullopt;
    OpBuilder &b = place(mentionsKey(form));
    Value same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, whole->lo, whole->hi);
    Value lo = add(b, loc, a->lo, whole->lo, -term.divisor);
    Value hi = add(b, loc, a->hi, whole->lo, -term.divisor);
    lo = arith::SelectOp::create(b, loc, same, lo, constant(b, loc, 0));
    hi = arith::SelectOp::create(b, loc, same, hi, constant(b, loc, term.divisor - 1));
    if (factor < 0)
      std::swap(lo, hi);
    return PlanEnds{add(b, loc, others->lo, lo, factor), add(b, loc, others->hi, hi, factor)};
  }
  return std::nullopt;
}

std::optional<PlanEnds> TilePlan::endsOf(unsigned number) {
  auto known = ends.find(number);
  if (known != ends.end())
    return known->second;
  std::optional<PlanEnds> result = makeEnds(number);
  return ends[number] = result;
}

std::optional<PlanEnds> TilePlan::makeEnds(unsigned number) {
  const MaskTerm term = mask.getTerms()[number]; // a copy: terms grow below
  OpBuilder &b = place(mentionsKey(number));
  switch (term.kind) {
  case Kind::position:
    return positions[number];
  case Kind::symbol: {
    Value value = symbol(number);
    return PlanEnds{value, value};
  }
  case Kind::floorDiv: {
    std::optional<PlanEnds> a = endsOf(term.a);
    if (!a)
      return std::nullopt;
    Value divisor = constant(b, loc, term.divisor);
    return PlanEnds{arith::FloorDivSIOp::create(b, loc, a->lo, divisor),
                    arith::FloorDivSIOp::create(b, loc, a->hi, divisor)};
  }
  case Kind::larger: {
    std::optional<PlanEnds> x = endsOf(term.a), y = endsOf(term.b);
    if (!x || !y)
      return std::nullopt;
    return PlanEnds{most(b, loc, x->lo, y->lo), most(b, loc, x->hi, y->hi)};
  }
  case Kind::chosen:
    return chosen(term, b);
  case Kind::data:
    return data(number, b);
  case Kind::unknown:
    return std::nullopt;
  }
  llvm_unreachable("all kinds are above");
}

std::optional<PlanEnds> TilePlan::chosen(const MaskTerm &term, OpBuilder &b) {
  PlanTruth when = truthOf(term.condition);
  std::optional<PlanEnds> x = endsOf(term.a), y = endsOf(term.b);
  if (!x || !y)
    return std::nullopt;
  auto select = [&](Value onlyX, Value onlyY, Value either) -> Value {
    Value notOnlyX = arith::SelectOp::create(b, loc, when.may, either, onlyY);
    return arith::SelectOp::create(b, loc, when.fail, notOnlyX, onlyX);
  };
  return PlanEnds{select(x->lo, y->lo, least(b, loc, x->lo, y->lo)),
                  select(x->hi, y->hi, most(b, loc, x->hi, y->hi))};
}

/// How many values a form can take in a tile, at most.
std::optional<int64_t> TilePlan::extentOf(const LinearForm &form) {
  int64_t extent = 1;
  for (auto [number, coefficient] : form.parts) {
    const MaskTerm term = mask.getTerms()[number];
    std::optional<int64_t> part = 1;
    if (term.kind == Kind::position)
      part = extents[number];
    else if (term.kind == Kind::floorDiv || term.kind == Kind::larger)
      part = extentOf(term.a);
    else if (term.kind != Kind::symbol)
      return std::nullopt;
    if (part && term.kind == Kind::floorDiv && *part > 1)
      part = (*part - 1) / term.divisor + 2;
    if (part && term.kind == Kind::larger) {
      std::optional<int64_t> other = extentOf(term.b);
      part = other ? std::optional(std::max(*part, *other)) : other;
    }
    if (!part || std::abs(coefficient) > maxElements)
      return std::nullopt;
    extent += std::abs(coefficient) * (*part - 1);
  }
  return extent;
}

/// The ends of what a tensor holds at some positions: at the first and the last one if its values do not
/// fall along its last axis and that is the one that varies, else of all its elements there.
std::optional<PlanEnds> TilePlan::data(unsigned number, OpBuilder &b) {
  Operation *read = mask.getTerms()[number].value.getDefiningOp();
  Value memory = read->getOperand(0);
  SmallVector<PlanEnds> subscripts;
  SmallVector<bool> varies;
  int64_t elements = 1;
  for (auto [axis, subscript] : llvm::enumerate(read->getOperands().drop_front())) {
    const LinearForm form = mask.read(subscript);
    std::optional<int64_t> extent = extentOf(form);
    std::optional<PlanEnds> ends = endsOf(form);
    if (!extent || !ends)
      return std::nullopt;
    varies.push_back(*extent > 1);
    elements *= std::min(*extent, maxElements + 1);
    if (elements > maxElements)
      elements = maxElements + 1;
    if (*extent > 1) { // ends that no position takes may lie outside
      Value size = memref::DimOp::create(b, loc, memory, axis), zero = constant(b, loc, 0);
      Value last = add(b, loc, size, constant(b, loc, -1));
      ends = {most(b, loc, least(b, loc, ends->lo, last), zero),
              most(b, loc, least(b, loc, ends->hi, last), zero)};
    }
    subscripts.push_back(*ends);
  }
  bool rises = read->hasAttr(AttnDialect::SortedAttrHelper::getNameStr()) && varies.back() &&
               llvm::count(varies, true) == 1;
  if (!rises && elements > maxElements)
    return std::nullopt;
  SmallVector<Value> at;
  if (!rises)
    return scan(b, read, subscripts, varies, 0, at);
  for (const PlanEnds &subscript : subscripts)
    at.push_back(subscript.lo);
  auto element = [&](Value last) -> Value {
    at.back() = last;
    Value value = memref::LoadOp::create(b, loc, memory, at);
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
  };
  Value lo = element(subscripts.back().lo), hi = element(subscripts.back().hi);
  return PlanEnds{lo, hi};
}

/// A loop over each axis that varies, from number `axis` on.
PlanEnds TilePlan::scan(OpBuilder &b, Operation *read, ArrayRef<PlanEnds> subscripts,
                        ArrayRef<bool> varies, unsigned axis, SmallVector<Value> &at) {
  if (axis == subscripts.size()) {
    Value value = memref::LoadOp::create(b, loc, read->getOperand(0), at);
    value = arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
    return {value, value};
  }
  PlanEnds result;
  at.push_back(subscripts[axis].lo);
  if (!varies[axis]) {
    result = scan(b, read, subscripts, varies, axis + 1, at);
  } else {
    Value one = constant(b, loc, 1), end = add(b, loc, subscripts[axis].hi, one);
    SmallVector<Value> none = {constant(b, loc, INT64_MAX), constant(b, loc, INT64_MIN)};
    auto loop = scf::ForOp::create(b, loc, subscripts[axis].lo, end, one, none);
    OpBuilder body = OpBuilder::atBlockBegin(loop.getBody());
    at.back() = loop.getInductionVar();
    PlanEnds inner = scan(body, read, subscripts, varies, axis + 1, at);
    scf::YieldOp::create(body, loc,
                         ValueRange{least(body, loc, loop.getRegionIterArg(0), inner.lo),
                                    most(body, loc, loop.getRegionIterArg(1), inner.hi)});
    result = {loop.getResult(0), loop.getResult(1)};
  }
  at.pop_back();
  return result;
}
