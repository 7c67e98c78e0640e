//===- TileCounts.cpp - tiles and pairs of a mask, counted by rows ----------------------------===//

#include "passes/TileCounts.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace mlir;
using namespace heddle::attn;

using Kind = MaskTerm::Kind;
using Values = llvm::DenseMap<unsigned, int64_t>; // by term; what is not known is not in it

namespace {

/// factor * y + slope * x + constant >= 0
struct Line {
  int64_t factor, slope, constant;
};
using Lines = std::vector<Line>;

/// [lo, hi)
struct Interval {
  int64_t lo, hi;
};

} // namespace

/// The y in [0, end) that all lines admit at x.
static Interval cut(const Lines &lines, int64_t x, int64_t end) {
  Interval result = {0, end};
  for (const Line &line : lines) {
    int64_t rest = line.slope * x + line.constant;
    if (line.factor == 1)
      result.lo = std::max(result.lo, -rest);
    else if (line.factor == -1)
      result.hi = std::min(result.hi, rest + 1);
    else if (line.factor > 0)
      result.lo = std::max(result.lo, llvm::divideCeilSigned(-rest, line.factor));
    else if (line.factor < 0)
      result.hi = std::min(result.hi, llvm::divideFloorSigned(rest, -line.factor) + 1);
    else if (rest < 0)
      return {0, 0};
  }
  return {result.lo, std::max(result.lo, result.hi)};
}

/// How many numbers are in the union of the intervals, which are sorted.
static int64_t sizeOfUnion(std::vector<Interval> &intervals) {
  if (intervals.size() > 1)
    llvm::sort(intervals, [](Interval a, Interval b) { return a.lo < b.lo; });
  int64_t count = 0, end = INT64_MIN;
  for (Interval i : intervals) {
    count += std::max<int64_t>(0, i.hi - std::max(i.lo, end));
    end = std::max(end, i.hi);
  }
  return count;
}

/// Ranges with the symbols put in. A bound whose symbols are not all known is left out.
static std::vector<Lines> instantiate(ArrayRef<TileRange> ranges, ArrayRef<unsigned> symbols,
                                      const Values &values, bool &exact) {
  std::vector<Lines> result;
  for (const TileRange &range : ranges) {
    Lines &lines = result.emplace_back();
    for (const TileBound &bound : range) {
      Line line = {bound.factor, bound.tile, bound.constant};
      bool known = true;
      for (auto [at, coefficient] : llvm::enumerate(bound.symbols)) {
        if (coefficient == 0)
          continue;
        auto value = values.find(symbols[at]);
        known &= value != values.end();
        line.constant += known ? coefficient * value->second : 0;
      }
      if (known)
        lines.push_back(line);
      exact &= known;
    }
  }
  return result;
}

/// Classes of one query tile's key tiles, by the ends of all ranges as LowerSparsity has them.
static void classify(const std::vector<Lines> &keeps, const std::vector<Lines> &drops, int64_t tile,
                     int64_t all, std::vector<int64_t> &ends, TileCounts &counts) {
  ends = {0, all};
  std::vector<Interval> kept, dropped;
  for (auto [lines, intervals] : {std::pair(&keeps, &kept), {&drops, &dropped}})
    for (const Lines &range : *lines) {
      Interval i = cut(range, tile, all);
      if (i.lo < i.hi) {
        intervals->push_back(i);
        ends.insert(ends.end(), {i.lo, i.hi});
      }
    }
  llvm::sort(ends);
  for (size_t e = 0; e + 1 < ends.size(); ++e) {
    int64_t size = ends[e + 1] - ends[e];
    auto covers = [&](Interval i) { return i.lo <= ends[e] && ends[e] < i.hi; };
    if (size == 0)
      continue;
    if (llvm::none_of(kept, covers))
      counts.empty += size;
    else
      (llvm::any_of(dropped, covers) ? counts.boundary : counts.full) += size;
  }
}

/// Conjuncts as lines of k over q; one that rounds or has an unknown symbol loses that inequality.
static std::vector<Lines> linesOfRows(const MaskAnalysis &mask, const Values &values, bool &exact) {
  std::vector<Lines> result;
  for (const MaskConjunct &conjunct : mask.getKeeps()) {
    Lines &lines = result.emplace_back();
    for (const LinearForm &form : conjunct) {
      Line line = {form.coefficient(1), form.coefficient(0), form.constant};
      bool known = true;
      for (auto [term, coefficient] : form.parts) {
        if (mask.getTerms()[term].kind == Kind::position)
          continue;
        auto value = values.find(term);
        known &= value != values.end();
        line.constant += known ? coefficient * value->second : 0;
      }
      if (known)
        lines.push_back(line);
      exact &= known;
    }
  }
  return result;
}

TileCounts heddle::attn::countTiles(MaskAnalysis &mask, Value queries, Value keys, TileSizes sizes,
                                    llvm::function_ref<std::optional<int64_t>(Value)> valueOf) {
  const LinearForm queryForm = mask.read(queries), keyForm = mask.read(keys);
  Values values;
  for (auto [number, term] : llvm::enumerate(mask.getTerms()))
    if (term.kind == Kind::symbol)
      if (std::optional<int64_t> value = valueOf(term.value))
        values[number] = *value;
  auto evaluate = [&](const LinearForm &form) {
    int64_t sum = form.constant;
    for (auto [term, coefficient] : form.parts)
      sum += coefficient * values.lookup(term);
    return std::max<int64_t>(0, sum);
  };
  int64_t n = evaluate(queryForm), m = evaluate(keyForm);

  TileCounts counts;
  counts.exact = mask.getBlames().empty();
  TileRanges ranges(mask, queryForm, keyForm, sizes);
  std::vector<Lines> keeps = instantiate(ranges.keeps, ranges.symbols, values, counts.exact);
  std::vector<Lines> drops = instantiate(ranges.drops, ranges.symbols, values, counts.exact);
  std::vector<int64_t> ends;
  for (int64_t tile = 0; tile * sizes.query < n; ++tile)
    classify(keeps, drops, tile, llvm::divideCeil(m, sizes.key), ends, counts);

  std::vector<Lines> rows = linesOfRows(mask, values, counts.exact);
  std::vector<Interval> intervals;
  for (int64_t q = 0; q < n; ++q) {
    intervals.clear();
    for (const Lines &lines : rows)
      intervals.push_back(cut(lines, q, m));
    counts.keptPairs += sizeOfUnion(intervals);
  }
  return counts;
}
