//===- TileRanges.cpp - from conjuncts to bounds of key tiles ---------------------------------===//

#include "passes/TileRanges.h"
#include "passes/MaskPolyhedron.h"

using namespace mlir::presburger;
using namespace heddle::attn;

using mlir::ArrayRef;
using Kind = MaskTerm::Kind;

namespace {

/// Columns: tile numbers I and J, positions q and k, symbols; floor divisions behind, then 1.
class Projector {
public:
  Projector(const MaskAnalysis &mask, ArrayRef<unsigned> symbols, const LinearForm &queries,
            const LinearForm &keys, TileSizes sizes)
      : mask(mask), symbols(symbols), queries(queries), keys(keys), sizes(sizes) {}

  /// The bounds of the tiles with a pair that fulfils `conjunct`. False if there is none.
  bool project(const MaskConjunct &conjunct, bool inside, TileRange &range) const;
  /// True if the conditions of two ranges on symbols and query tile contradict each other.
  bool areExclusive(const TileRange &a, const TileRange &b) const;

private:
  enum Column { I, J, Q, K, firstSymbol };
  using Row = std::vector<int64_t>;

  IntegerPolyhedron space() const {
    return IntegerPolyhedron(PresburgerSpace::getSetSpace(firstSymbol, symbols.size()));
  }
  unsigned columnOf(unsigned term) const;
  Row row(const LinearForm &form, IntegerPolyhedron &p) const {
    return rowOf(mask, form, p, [&](unsigned term) { return columnOf(term); });
  }
  void addTiles(IntegerPolyhedron &p) const;
  void addSymbols(IntegerPolyhedron &p) const;
  void addPositions(IntegerPolyhedron &p) const;
  void simplify(std::vector<Row> &rows) const;

  const MaskAnalysis &mask;
  ArrayRef<unsigned> symbols;
  const LinearForm &queries, &keys;
  TileSizes sizes;
};

} // namespace

unsigned Projector::columnOf(unsigned term) const {
  if (mask.getTerms()[term].kind == Kind::position)
    return Q + term;
  return firstSymbol + (llvm::find(symbols, term) - symbols.begin());
}

/// I and J exist: 0 <= I, 0 <= J, their first positions are below the limits.
void Projector::addTiles(IntegerPolyhedron &p) const {
  for (auto [column, limit, size] : {std::tuple(I, &queries, sizes.query), {J, &keys, sizes.key}}) {
    p.addBound(BoundType::LB, column, 0);
    Row inLimit = row(*limit, p);
    inLimit[column] -= size;
    inLimit.back() -= 1;
    p.addInequality(inLimit);
  }
}

/// What is known of symbols: a condition is 0 or 1.
void Projector::addSymbols(IntegerPolyhedron &p) const {
  for (auto [at, number] : llvm::enumerate(symbols))
    if (mask.getTerms()[number].value.getType().isInteger(1)) {
      p.addBound(BoundType::LB, firstSymbol + at, 0);
      p.addBound(BoundType::UB, firstSymbol + at, 1);
    }
}

/// q and k lie in their tiles, and q below its limit.
void Projector::addPositions(IntegerPolyhedron &p) const {
  for (auto [tile, position, size] : {std::tuple(I, Q, sizes.query), {J, K, sizes.key}}) {
    Row low(p.getNumCols()), high(p.getNumCols());
    low[position] = 1, low[tile] = -size;
    high[position] = -1, high[tile] = size, high.back() = size - 1;
    p.addInequality(low);
    p.addInequality(high);
  }
  Row inLimit = row(queries, p);
  inLimit[Q] -= 1;
  inLimit.back() -= 1;
  p.addInequality(inLimit);
}

/// Leaves out what the other rows and the existence of the tiles imply.
void Projector::simplify(std::vector<Row> &rows) const {
  for (size_t at = 0; at < rows.size();) {
    IntegerPolyhedron rest = space();
    addTiles(rest);
    addSymbols(rest);
    for (size_t other = 0; other < rows.size(); ++other)
      if (other != at)
        rest.addInequality(rows[other]);
    Row negated = rows[at];
    for (int64_t &x : negated)
      x = -x;
    negated.back() -= 1;
    rest.addInequality(negated);
    if (isEmpty(rest))
      rows.erase(rows.begin() + at);
    else
      ++at;
  }
}

bool Projector::project(const MaskConjunct &conjunct, bool inside, TileRange &range) const {
  IntegerPolyhedron p = space();
  addTiles(p);
  addSymbols(p);
  addPositions(p);
  if (inside) { // k < keys
    Row inLimit = row(keys, p);
    inLimit[K] -= 1;
    inLimit.back() -= 1;
    p.addInequality(inLimit);
  }
  for (const LinearForm &form : conjunct)
    addForm(mask, form, p, [&](unsigned term) { return columnOf(term); });
  if (isEmpty(p))
    return false;
  p.convertToLocal(VarKind::SetDim, Q, K + 1);
  p.projectOut(p.getVarKindOffset(VarKind::Local), p.getNumLocalVars());
  p.removeRedundantConstraints();

  std::vector<Row> rows;
  for (unsigned c = 0; c < p.getNumConstraints(); ++c)
    for (int64_t sign : {1, -1}) { // equalities, which stand last, bound both ways
      if (sign < 0 && c < p.getNumInequalities())
        continue;
      Row found(space().getNumCols());
      bool fits = true;
      for (unsigned column = 0; column < p.getNumCols(); ++column) {
        mlir::DynamicAPInt value = p.atConstraint(c, column);
        fits &= INT64_MIN < value && value <= INT64_MAX;
        found[column < Q ? column : column + 2] = fits ? sign * p.atConstraint64(c, column) : 0;
      }
      if (fits && isSmall(found))
        rows.push_back(found);
    }
  simplify(rows);
  for (const Row &found : rows)
    range.push_back(
        {found[J], found[I], {found.begin() + firstSymbol, found.end() - 1}, found.back()});
  return true;
}

bool Projector::areExclusive(const TileRange &a, const TileRange &b) const {
  IntegerPolyhedron p = space();
  addTiles(p);
  addSymbols(p);
  for (const TileRange *range : {&a, &b})
    for (const TileBound &bound : *range)
      if (bound.factor == 0) {
        Row condition(p.getNumCols());
        condition[I] = bound.tile;
        llvm::copy(bound.symbols, condition.begin() + firstSymbol);
        condition.back() = bound.constant;
        p.addInequality(condition);
      }
  return isEmpty(p);
}

TileRanges::TileRanges(const MaskAnalysis &mask, const LinearForm &queries, const LinearForm &keys,
                       TileSizes sizes) {
  collectSymbols(mask, queries, symbols);
  collectSymbols(mask, keys, symbols);
  for (ArrayRef<MaskConjunct> set : {mask.getKeeps(), mask.getDrops()})
    for (const MaskConjunct &conjunct : set)
      for (const LinearForm &form : conjunct)
        collectSymbols(mask, form, symbols);
  Projector projector(mask, symbols, queries, keys, sizes);
  auto add = [&](std::vector<TileRange> &to, const MaskConjunct &conjunct, bool inside) {
    TileRange range;
    if (projector.project(conjunct, inside, range))
      to.push_back(std::move(range));
  };
  for (const MaskConjunct &conjunct : mask.getKeeps())
    add(keeps, conjunct, true);
  for (unsigned i = 0; i < keeps.size(); ++i) {
    auto fits = [&](ArrayRef<unsigned> group) {
      return llvm::all_of(
          group, [&](unsigned other) { return projector.areExclusive(keeps[i], keeps[other]); });
    };
    auto group = llvm::find_if(exclusiveKeeps, fits);
    if (group != exclusiveKeeps.end())
      group->push_back(i);
    else
      exclusiveKeeps.push_back({i});
  }
  for (const MaskConjunct &conjunct : mask.getDrops())
    add(drops, conjunct, false);
  LinearForm beyond = keys; // k - keys >= 0
  for (auto &part : beyond.parts)
    part.second = -part.second;
  beyond.constant = -beyond.constant;
  beyond.parts.insert(beyond.parts.begin(), {1, 1});
  add(drops, {beyond}, false);
}
