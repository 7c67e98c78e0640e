//===- MaskAnalysis.cpp - forms, formulas, conjuncts and intervals of a mask ------------------===//
//
// MaskReader.cpp turns operations into the forms and formulas that are put together here.
//
//===----------------------------------------------------------------------------------------===//

#include "passes/MaskAnalysis.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <numeric>

using namespace mlir;
using namespace heddle::attn;

using Kind = MaskTerm::Kind;

// What a formula may grow to before its parts are given up as unknown, and a disjunction of
// conjuncts before it is widened.
static constexpr size_t maxFormulas = 2000, maxConjuncts = 32;

int64_t LinearForm::coefficient(unsigned term) const {
  for (auto [number, coefficient] : parts)
    if (number == term)
      return coefficient;
  return 0;
}

static LinearForm without(LinearForm form, unsigned term) {
  llvm::erase_if(form.parts, [&](auto part) { return part.first == term; });
  return form;
}

//===--- Forms ------------------------------------------------------------------------------===//

unsigned MaskAnalysis::makeTerm(MaskTerm term) {
  for (auto [number, other] : llvm::enumerate(terms)) {
    if (other.kind != term.kind)
      continue;
    bool byValue =
        term.kind == Kind::symbol || term.kind == Kind::data || term.kind == Kind::unknown;
    if (byValue ? other.value == term.value
                : other.a == term.a && other.b == term.b && other.divisor == term.divisor &&
                      other.condition == term.condition)
      return number;
  }
  terms.push_back(std::move(term));
  return terms.size() - 1;
}

LinearForm MaskAnalysis::formOf(MaskTerm term) {
  LinearForm form;
  form.parts.push_back({makeTerm(std::move(term)), 1});
  return form;
}

LinearForm MaskAnalysis::unknown(Value value) { return formOf({Kind::unknown, value, {}, {}}); }

/// a + factor * b, or unknown where a coefficient leaves 64 bits.
LinearForm MaskAnalysis::sum(const LinearForm &a, const LinearForm &b, int64_t factor,
                             Value blame) {
  LinearForm result = a;
  bool overflow = false;
  auto addTo = [&](int64_t &to, int64_t value) {
    int64_t product;
    overflow |= llvm::MulOverflow(value, factor, product) || llvm::AddOverflow(to, product, to);
  };
  addTo(result.constant, b.constant);
  for (auto [term, coefficient] : b.parts) {
    auto *at = llvm::lower_bound(result.parts, std::pair<unsigned, int64_t>(term, INT64_MIN));
    if (at == result.parts.end() || at->first != term)
      at = result.parts.insert(at, {term, 0});
    addTo(at->second, coefficient);
    if (at->second == 0)
      result.parts.erase(at);
  }
  return overflow ? unknown(blame) : result;
}

LinearForm MaskAnalysis::larger(const LinearForm &a, const LinearForm &b, Value value) {
  if (a.parts == b.parts)
    return a.constant > b.constant ? a : b;
  return formOf({Kind::larger, value, a, b});
}

LinearForm MaskAnalysis::chosen(unsigned condition, const LinearForm &a, const LinearForm &b,
                                Value value) {
  if (condition <= 1 || a == b)
    return condition == 1 ? a : b;
  return formOf({Kind::chosen, value, a, b, 0, condition});
}

/// Floor division by a positive constant. It is monotone, so that it passes through a choice.
LinearForm MaskAnalysis::floorDiv(const LinearForm &form, int64_t divisor, Value value) {
  if (divisor == 1)
    return form;
  if (form.parts.empty())
    return {{}, llvm::divideFloorSigned(form.constant, divisor)};
  for (auto [number, coefficient] : form.parts) {
    const MaskTerm term = terms[number]; // a copy: terms grow below
    if (term.kind == Kind::unknown)
      return unknown(value);
    if (term.kind != Kind::larger && term.kind != Kind::chosen)
      continue;
    LinearForm rest = without(form, number);
    LinearForm a = floorDiv(sum(rest, term.a, coefficient, value), divisor, value);
    LinearForm b = floorDiv(sum(rest, term.b, coefficient, value), divisor, value);
    if (term.kind == Kind::chosen)
      return chosen(term.condition, a, b, value);
    if (coefficient > 0)
      return larger(a, b, value);
    LinearForm zero; // the smaller one: -max(-a, -b)
    return sum(zero, larger(sum(zero, a, -1, value), sum(zero, b, -1, value), value), -1, value);
  }
  return formOf({Kind::floorDiv, value, form, {}, divisor});
}

//===--- Formulas ---------------------------------------------------------------------------===//

unsigned MaskAnalysis::make(Formula::Kind kind, unsigned left, unsigned right) {
  unsigned neutral = kind == Formula::Kind::both; // true and x = x, false or x = x
  if (left == neutral || left == right)
    return right;
  if (right == neutral)
    return left;
  if (left == 1 - neutral || right == 1 - neutral)
    return 1 - neutral;
  formulas.push_back({kind, {}, left, right});
  return formulas.size() - 1;
}

unsigned MaskAnalysis::makeUnknown(Value value) {
  formulas.push_back({Formula::Kind::unknown, {}, makeTerm({Kind::unknown, value, {}, {}})});
  return formulas.size() - 1;
}

/// form >= 0, choices in the form made choices between formulas.
unsigned MaskAnalysis::atLeastZero(LinearForm form, Value blame) {
  if (form.parts.empty())
    return form.constant >= 0;
  if (formulas.size() > maxFormulas)
    return makeUnknown(blame);
  for (auto [number, coefficient] : form.parts) {
    const MaskTerm term = terms[number]; // a copy: terms grow below
    if (term.kind == Kind::unknown)
      return makeUnknown(term.value);
    if (term.kind != Kind::larger && term.kind != Kind::chosen)
      continue;
    LinearForm rest = without(form, number);
    unsigned a = atLeastZero(sum(rest, term.a, coefficient, blame), blame);
    unsigned b = atLeastZero(sum(rest, term.b, coefficient, blame), blame);
    if (term.kind == Kind::larger)
      return coefficient > 0 ? either(a, b) : both(a, b);
    return either(both(term.condition, a), both(negate(term.condition), b));
  }
  int64_t divisor = 0;
  for (auto [number, coefficient] : form.parts)
    divisor = std::gcd(divisor, coefficient);
  for (auto &part : form.parts)
    part.second /= divisor;
  form.constant = llvm::divideFloorSigned(form.constant, divisor);
  formulas.push_back({Formula::Kind::atLeastZero, std::move(form)});
  return formulas.size() - 1;
}

unsigned MaskAnalysis::isLess(const LinearForm &a, const LinearForm &b, Value blame) {
  return atLeastZero(sum(sum(b, a, -1, blame), {{}, 1}, -1, blame), blame);
}

unsigned MaskAnalysis::negate(unsigned number) {
  auto known = negations.find(number);
  if (known != negations.end())
    return known->second;
  unsigned result = makeNegation(formulas[number]);
  negations[number] = result;
  return result;
}

/// By value: formulas grow meanwhile.
unsigned MaskAnalysis::makeNegation(Formula formula) {
  switch (formula.kind) {
  case Formula::Kind::constant:
    return 1 - formula.left;
  case Formula::Kind::unknown:
    return makeUnknown(terms[formula.left].value);
  case Formula::Kind::atLeastZero: {
    LinearForm flipped = formula.form; // an integer: not f >= 0 is -f - 1 >= 0
    for (auto &part : flipped.parts)
      part.second = -part.second;
    flipped.constant = ~flipped.constant;
    formulas.push_back({Formula::Kind::atLeastZero, std::move(flipped)});
    return formulas.size() - 1;
  }
  case Formula::Kind::both:
  case Formula::Kind::either:
    break;
  }
  unsigned left = negate(formula.left), right = negate(formula.right);
  return formula.kind == Formula::Kind::both ? either(left, right) : both(left, right);
}

//===--- Conjuncts --------------------------------------------------------------------------===//

void MaskAnalysis::blame(Value value, StringRef reason, bool byTile) {
  auto known = [&](const MaskBlame &b) { return b.loc == value.getLoc() && b.reason == reason; };
  if (llvm::none_of(blames, known))
    blames.push_back({value.getLoc(), reason, byTile});
}

/// What a form has of a tensor's elements, also inside a division.
std::optional<unsigned> MaskAnalysis::findData(const LinearForm &form) const {
  for (auto [number, coefficient] : form.parts) {
    if (terms[number].kind == Kind::data)
      return number;
    if (terms[number].kind == Kind::floorDiv)
      if (std::optional<unsigned> data = findData(terms[number].a))
        return data;
  }
  return std::nullopt;
}

/// Adds form >= 0 to a conjunct, of two with the same terms the tighter one. False if none is left.
static bool add(MaskConjunct &conjunct, const LinearForm &form) {
  for (LinearForm &other : conjunct) {
    if (other.parts == form.parts) {
      other.constant = std::min(other.constant, form.constant);
      return true;
    }
    bool opposite = other.parts.size() == form.parts.size() &&
                    llvm::equal(other.parts, form.parts, [](auto a, auto b) {
                      return a.first == b.first && a.second == -b.second;
                    });
    if (opposite && other.constant < -form.constant)
      return false;
  }
  conjunct.push_back(form);
  return true;
}

/// True if `a` holds wherever `b` does, by the forms they have in common.
static bool covers(const MaskConjunct &a, const MaskConjunct &b) {
  return llvm::all_of(a, [&](const LinearForm &wide) {
    return llvm::any_of(b, [&](const LinearForm &tight) {
      return wide.parts == tight.parts && wide.constant >= tight.constant;
    });
  });
}

static void addTo(std::vector<MaskConjunct> &set, MaskConjunct conjunct) {
  if (llvm::any_of(set, [&](const MaskConjunct &other) { return covers(other, conjunct); }))
    return;
  llvm::erase_if(set, [&](const MaskConjunct &other) { return covers(conjunct, other); });
  set.push_back(std::move(conjunct));
}

/// A disjunction of conjuncts, at least as wide as the formula. What is unknown is left out, and so
/// is one side of a product that grows too large.
const std::vector<MaskConjunct> &MaskAnalysis::normalForm(unsigned number) {
  auto known = normalForms.find(number);
  if (known == normalForms.end())
    known = normalForms.emplace(number, makeNormalForm(number)).first;
  return known->second;
}

std::vector<MaskConjunct> MaskAnalysis::makeNormalForm(unsigned number) {
  const Formula &formula = formulas[number];
  switch (formula.kind) {
  case Formula::Kind::constant:
    return number ? std::vector<MaskConjunct>{{}} : std::vector<MaskConjunct>{};
  case Formula::Kind::unknown:
    blame(terms[formula.left].value, "is not affine in the positions");
    return {{}};
  case Formula::Kind::atLeastZero:
    if (std::optional<unsigned> data = findData(formula.form)) {
      blame(terms[*data].value, "reads data", /*byTile=*/true);
      return {{}};
    }
    for (auto [term, coefficient] : formula.form.parts)
      if (terms[term].kind == Kind::floorDiv)
        blame(terms[term].value, "rounds, and ranges of tiles are found without", /*byTile=*/true);
    return {{formula.form}};
  case Formula::Kind::both:
  case Formula::Kind::either:
    break;
  }
  const std::vector<MaskConjunct> &left = normalForm(formula.left);
  const std::vector<MaskConjunct> &right = normalForm(formula.right);
  std::vector<MaskConjunct> result;
  if (formula.kind == Formula::Kind::either) {
    for (const std::vector<MaskConjunct> *side : {&left, &right})
      for (const MaskConjunct &conjunct : *side)
        addTo(result, conjunct);
  } else {
    for (const MaskConjunct &x : left)
      for (const MaskConjunct &y : right) {
        MaskConjunct conjunct = x;
        if (llvm::all_of(y, [&](const LinearForm &form) { return add(conjunct, form); }))
          addTo(result, std::move(conjunct));
      }
  }
  if (result.size() <= maxConjuncts)
    return result;
  blame(condition, "has too many alternatives", /*byTile=*/true);
  if (formula.kind == Formula::Kind::either)
    return {{}};
  return left.size() < right.size() ? left : right;
}

//===--- Intervals --------------------------------------------------------------------------===//

static int64_t saturated(__int128 value) {
  return int64_t(std::clamp<__int128>(value, INT64_MIN, INT64_MAX));
}

MaskInterval MaskAnalysis::evaluate(const LinearForm &form, ArrayRef<MaskInterval> values) const {
  __int128 lo = form.constant, hi = form.constant;
  for (auto [number, coefficient] : form.parts) {
    MaskInterval value = values[number];
    const MaskTerm &term = terms[number];
    if (term.kind == Kind::floorDiv) {
      value = evaluate(term.a, values);
      value = {llvm::divideFloorSigned(value.lo, term.divisor),
               llvm::divideFloorSigned(value.hi, term.divisor)};
    }
    if (term.kind == Kind::data)
      value = {INT32_MIN, INT32_MAX};
    __int128 a = __int128(coefficient) * value.lo, b = __int128(coefficient) * value.hi;
    lo += std::min(a, b);
    hi += std::max(a, b);
  }
  return {saturated(lo), saturated(hi)};
}

MaskTruth MaskAnalysis::evaluate(ArrayRef<MaskInterval> values) const {
  std::vector<MaskTruth> truths;
  for (const Formula &formula : formulas) { // operands come before what is made of them
    switch (formula.kind) {
    case Formula::Kind::constant:
      truths.push_back({truths.size() == 1, truths.empty()});
      break;
    case Formula::Kind::unknown:
      truths.push_back({true, true});
      break;
    case Formula::Kind::atLeastZero: {
      MaskInterval interval = evaluate(formula.form, values);
      truths.push_back({interval.hi >= 0, interval.lo < 0});
      break;
    }
    case Formula::Kind::both:
    case Formula::Kind::either: {
      MaskTruth a = truths[formula.left], b = truths[formula.right];
      if (formula.kind == Formula::Kind::both)
        truths.push_back({a.mayHold && b.mayHold, a.mayFail || b.mayFail});
      else
        truths.push_back({a.mayHold || b.mayHold, a.mayFail && b.mayFail});
      break;
    }
    }
  }
  return truths[root];
}
