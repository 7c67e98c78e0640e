//===- Work.cpp - how much a call has to do, by definition -------------------------------------===//

#include "Work.h"
#include "dialect/AttnOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace llvm;
using namespace heddle;

DenseMap<mlir::Value, int64_t> heddle::sizesOfArguments(mlir::ModuleOp module, const Spec &spec,
                                                        const ValueMap &sizes) {
  DenseMap<mlir::Value, int64_t> known;
  std::vector<int64_t> open;
  for (const SpecDim &dim : spec.dims)
    if (!dim.isCompileTime())
      open.push_back(sizes.at(dim.name).i);
  mlir::func::FuncOp function = *module.getOps<mlir::func::FuncOp>().begin();
  size_t next = 0;
  for (mlir::BlockArgument argument : function.getArguments())
    if (argument.getType().isIndex())
      known[argument] = open[next++];
  return known;
}

static void countMask(mlir::ModuleOp tiled, const Spec &spec, const ValueMap &sizes, Work &work) {
  DenseMap<mlir::Value, int64_t> known = sizesOfArguments(tiled, spec, sizes);
  auto valueOf = [&](mlir::Value value) -> std::optional<int64_t> {
    auto found = known.find(value);
    if (found != known.end())
      return found->second;
    if (auto constant = value.getDefiningOp<mlir::arith::ConstantIndexOp>())
      return constant.value();
    return std::nullopt;
  };
  tiled.walk([&](attn::VisitOp visit) {
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
}

Work heddle::countWork(mlir::ModuleOp tiled, const Spec &spec, const ValueMap &sizes) {
  Work work;
  auto extent = [&](const IndexRange &range) {
    std::optional<ExprValue> size = evaluateConstant(*range.extent.size, sizes);
    return size ? double(size->i) : 0;
  };
  double rows = 1;
  if (const AttendStep *step = spec.steps.front().getIf<AttendStep>()) {
    countMask(tiled, spec, sizes, work);
    for (const IndexRange &row : step->rows)
      rows *= extent(row);
    const AttendSource &source = step->sources.front();
    double perPair = 2 * ((source.depth ? extent(*source.depth) : 0) +
                          (step->column ? extent(*step->column) : 0));
    if (work.hasTiles && work.queries > 0)
      work.flop = perPair * double(work.tiles.keptPairs) * (rows / work.queries);
  } else if (const RecurStep *step = spec.steps.front().getIf<RecurStep>()) {
    for (const IndexRange &row : step->rows)
      rows *= extent(row);
    double d = extent(*step->depth), e = extent(*step->column);
    work.flop = rows * (4 * d * e + 32 * (d + e));
  }
  return work;
}
