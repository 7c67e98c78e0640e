//===- Work.cpp - how much a call has to do, by definition -------------------------------------===//

#include "Work.h"
#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace llvm;
using namespace heddle;

DenseMap<mlir::Value, int64_t> heddle::sizesOfArguments(mlir::func::FuncOp function,
                                                        const Spec &spec, const ValueMap &sizes) {
  DenseMap<mlir::Value, int64_t> known;
  std::vector<int64_t> open;
  for (const SpecDim &dim : spec.dims)
    if (!dim.isCompileTime())
      open.push_back(sizes.at(dim.name).i);
  size_t next = 0;
  for (mlir::BlockArgument argument : function.getArguments())
    if (argument.getType().isIndex())
      known[argument] = open[next++];
  return known;
}

/// The tiles of an attend's mask.
static Work countMask(mlir::func::FuncOp function, const Spec &spec, const ValueMap &sizes) {
  Work work;
  DenseMap<mlir::Value, int64_t> known = sizesOfArguments(function, spec, sizes);
  auto valueOf = [&](mlir::Value value) -> std::optional<int64_t> {
    auto found = known.find(value);
    if (found != known.end())
      return found->second;
    if (auto constant = value.getDefiningOp<mlir::arith::ConstantIndexOp>())
      return constant.value();
    return std::nullopt;
  };
  function.walk([&](attn::VisitOp visit) {
    if (work.hasTiles || !visit.getAt())
      return;
    std::optional<int64_t> n = valueOf(visit.getOf()[0]), m = valueOf(visit.getOf()[1]);
    if (!n || !m)
      return;
    attn::MaskAnalysis mask(visit.getKeep(), visit.getKeep().getArguments());
    ArrayRef<int64_t> tile = visit.getTile();
    work.sizes = {tile[0], tile[1]};
    work.tiles = attn::countTiles(mask, visit.getOf()[0], visit.getOf()[1], work.sizes, valueOf);
    work.queries = double(*n), work.keys = double(*m);
    work.hasTiles = true;
  });
  return work;
}

namespace {
class Counter {
public:
  explicit Counter(const ValueMap &sizes) : sizes(sizes) {}

  double extent(const IndexRange &range) const {
    std::optional<ExprValue> size = evaluateConstant(*range.extent.size, sizes);
    return size ? double(size->i) : 0;
  }
  double extent(const std::optional<IndexRange> &range) const { return range ? extent(*range) : 0; }
  double product(const std::vector<IndexRange> &ranges) const {
    double all = 1;
    for (const IndexRange &range : ranges)
      all *= extent(range);
    return all;
  }
  /// Of pairs that a mask keeps where tiles tell, else of all.
  double flopOf(const AttendStep &step, const Work &work) const {
    double rows = product(step.rows), flop = 0;
    for (const AttendSource &source : step.sources) {
      double pairs = rows * product(source.keys);
      if (work.hasTiles && work.queries > 0)
        pairs = double(work.tiles.keptPairs) * (rows / work.queries);
      double products = extent(source.depth) + extent(step.column);
      walk(source.score, [&](const Expr &node) {
        if (node.kind == ExprKind::Dot)
          products += extent(source.depth);
      });
      flop += 2 * pairs * products;
    }
    return flop;
  }
  double flopOf(const RecurStep &step) const {
    double d = std::max(extent(step.depth), 1.0), e = std::max(extent(step.column), 1.0);
    double products = step.rule == RecurRule::Add ? 4 : 6; // the others read the state to write it
    return product(step.rows) * (products * d * e + 32 * (d + e));
  }

private:
  const ValueMap &sizes;
};
} // namespace

Work heddle::countWork(mlir::ModuleOp tiled, const Spec &spec, const ValueMap &sizes) {
  Work all;
  Counter counter(sizes);
  auto functions = tiled.getOps<mlir::func::FuncOp>();
  auto function = functions.begin();
  for (size_t i = 0; i < spec.steps.size(); ++i) {
    if (!spec.isLive(i))
      continue;
    Work work;
    if (const AttendStep *step = spec.steps[i].getIf<AttendStep>()) {
      work = countMask(*function, spec, sizes);
      work.flop = counter.flopOf(*step, work);
      work.exact =
          work.hasTiles ? work.tiles.exact : all_of(step->sources, [](const AttendSource &source) {
            return source.mask->isTrue();
          });
    } else if (const RecurStep *step = spec.steps[i].getIf<RecurStep>()) {
      work.flop = counter.flopOf(*step);
    }
    work.flop += all.flop;
    work.exact &= all.exact;
    if (!all.hasTiles)
      all = work;
    all.flop = work.flop;
    all.exact = work.exact;
    ++function;
  }
  return all;
}
