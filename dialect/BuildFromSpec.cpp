//===- BuildFromSpec.cpp - a checked spec as surface ops ---------------------------------------===//

#include "dialect/BuildFromSpec.h"
#include "dialect/AttnOps.h"
#include "dialect/BuildExpr.h"
#include "dialect/IntegerRange.h"
#include "dialect/MemoryType.h"
#include "dialect/RelativeTerm.h"
#include "dialect/TileObstacle.h"
#include "dialect/loops/LoopBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace heddle;
using namespace heddle::attn;

namespace {

class SpecBuilder {
public:
  SpecBuilder(MLIRContext &context, const Spec &spec)
      : spec(spec), b(&context), values{spec, {}, {}, {}, {}, {}} {}
  OwningOpRef<ModuleOp> build();

private:
  using Bind = llvm::function_ref<void(ExprBuilder &, ValueRange extra)>;

  RankedTensorType tensorType(const SpecTensor &tensor);
  void openFunction(size_t step, bool onMemory);
  void buildSurface(size_t number);
  void buildLoops(size_t number, StringRef obstacle);
  Value sizeOf(const IndexRange &range);
  int64_t constantSize(const std::optional<IndexRange> &range);
  void region(Region &region, const ExprRef &expr, const Ranges &indices,
              ArrayRef<ExprSpecial> specials = {}, const ExprRef &offset = {});
  /// The tensors that a step writes, with their names.
  void outputs(const SpecStep &step, SmallVector<Value> &outs, SmallVector<int32_t> &names);
  void relative(AttendOp op, const AttendStep &body, const RelativeTerm &term);
  SmallVector<Value> attend(const SpecStep &step, const AttendStep &body);
  SmallVector<Value> recur(const SpecStep &step, const RecurStep &body);

  const Spec &spec;
  OpBuilder b;
  SpecValues values;
  Location loc = b.getUnknownLoc();
};

/// Temporaries hold what the language computes with: f32, a byte, and integers of 32 bits where those are enough.
RankedTensorType SpecBuilder::tensorType(const SpecTensor &tensor) {
  static constexpr StorageType kept[] = {StorageType::Bool, StorageType::I32, StorageType::F32};
  StorageType storage = tensor.storage.value_or(kept[size_t(tensor.type)]);
  SmallVector<int64_t> shape;
  for (const Extent &axis : tensor.axes)
    shape.push_back(evaluateSize(*axis.size, values.known).value_or(ShapedType::kDynamic));
  Type element = isWide(spec, tensor) ? b.getI64Type() : elementType(b.getContext(), storage);
  return RankedTensorType::get(shape, element);
}

/// The arguments are the same for every step: inputs, results, temporaries, open dims, run-time params.
void SpecBuilder::openFunction(size_t step, bool onMemory) {
  SmallVector<Type> types, results;
  SmallVector<std::pair<llvm::StringMap<Value> *, std::string>> names;
  values.tensors.clear();
  values.dims.clear();
  values.params.clear();
  auto add = [&](Type type, llvm::StringMap<Value> &into, const std::string &name) {
    types.push_back(type);
    names.push_back({&into, name});
  };
  auto addTensor = [&](const SpecTensor &tensor) {
    RankedTensorType type = tensorType(tensor);
    add(onMemory ? Type(memoryType(type)) : type, values.tensors, tensor.name);
    if (!onMemory && tensor.step == int(step))
      results.push_back(type);
  };
  for (const SpecTensor *tensor : spec.arguments())
    addTensor(*tensor);
  for (const SpecTensor *tensor : spec.temporaries())
    addTensor(*tensor);
  for (const SpecDim &dim : spec.dims)
    if (!dim.isCompileTime())
      add(b.getIndexType(), values.dims, dim.name);
  for (const SpecParam &param : spec.params)
    if (param.isRuntime)
      add(param.value.type == ExprType::Float ? Type(b.getF32Type()) : Type(b.getI32Type()),
          values.params, param.name);
  std::string name =
      spec.steps.size() == 1 ? spec.name : spec.name + "_step" + std::to_string(step);
  auto function = func::FuncOp::create(b, loc, name, b.getFunctionType(types, results));
  Block *entry = function.addEntryBlock();
  for (auto [argument, place] : llvm::zip_equal(entry->getArguments(), names))
    (*place.first)[place.second] = argument;
  b.setInsertionPointToEnd(entry);
}

Value SpecBuilder::sizeOf(const IndexRange &range) {
  return ExprBuilder(b, values).build(range.extent.size);
}
int64_t SpecBuilder::constantSize(const std::optional<IndexRange> &range) {
  return range ? *evaluateSize(*range->extent.size, values.known) : 0;
}

/// Fills a region with an expression of some indices (index) and, behind them, numbers (f32).
void SpecBuilder::region(Region &region, const ExprRef &expr, const Ranges &indices,
                         ArrayRef<ExprSpecial> specials, const ExprRef &offset) {
  Block *block = new Block;
  region.push_back(block);
  OpBuilder body = OpBuilder::atBlockEnd(block);
  ExprBuilder builder(body, values);
  for (const IndexRange *range : indices)
    builder.setIndex(*range, block->addArgument(b.getIndexType(), loc));
  for (ExprSpecial special : specials)
    builder.setSpecial(special, block->addArgument(b.getF32Type(), loc));
  builder.setOffset(offset);
  Value value = builder.build(expr);
  YieldOp::create(body, locationOf(b.getContext(), spec, expr->where), value);
}

void SpecBuilder::outputs(const SpecStep &step, SmallVector<Value> &outs,
                          SmallVector<int32_t> &names) {
  for (const char *kind : {"out", "lse", "state", "sum"})
    for (const StepOutput &output : step.outputs)
      if (output.kind == kind && spec.findTensor(output.tensor)->isUsed) {
        outs.push_back(values.tensors.lookup(output.tensor));
        names.push_back(int32_t(*symbolizeOutput(kind)));
      }
}

/// The rows of a table, and which of them a pair takes.
void SpecBuilder::relative(AttendOp op, const AttendStep &body, const RelativeTerm &term) {
  const AttendSource &source = body.sources.front();
  Ranges rows, pair;
  for (const IndexRange &range : body.rows)
    rows.push_back(&range);
  pair = rows;
  pair.push_back(&source.keys.front());
  const SpecTensor &table = *spec.findTensor(term.row->name);
  IndexRange distance = term.index, depth = *source.depth;
  for (auto [axis, subscript] : llvm::zip_equal(table.axes, term.row->args))
    if (subscript->isIndex(distance.name))
      distance.extent = axis;
  depth.extent = table.axes.back();
  rows.push_back(&distance);
  rows.push_back(&depth);
  for (auto [number, range] : llvm::enumerate(body.rows))
    if (range.name == "q_idx")
      op.setRelAxis(number);
  region(op.getRelRow(), term.row, rows);
  region(op.getRelAt(), term.at, pair, {}, body.offset);
  region(op.getScore(), term.score, pair, {ExprSpecial::Score, ExprSpecial::Relative}, body.offset);
}

SmallVector<Value> SpecBuilder::attend(const SpecStep &step, const AttendStep &body) {
  const AttendSource &source = body.sources.front();
  Ranges rows, pair, rowsD, pairD, pairE;
  SmallVector<Value> rowSizes;
  for (const IndexRange &range : body.rows) {
    rows.push_back(&range);
    rowSizes.push_back(sizeOf(range));
  }
  pair = rows;
  pair.push_back(&source.keys.front());
  rowsD = rows, pairD = pair, pairE = pair;
  if (source.depth) {
    rowsD.push_back(&*source.depth);
    pairD.push_back(&*source.depth);
  }
  if (body.column)
    pairE.push_back(&*body.column);

  SmallVector<Value> outs;
  SmallVector<int32_t> names;
  outputs(step, outs, names);
  bool hasOut = llvm::is_contained(names, int32_t(Output::out));
  std::optional<ExprValue> scale = evaluateConstant(*source.scale, values.constants);
  if (scale && !std::isnormal(scale->asFloat()))
    scale.reset(); // a band is divided by it
  NestedGroups groups = nestedGroups(body);
  bool softmax = body.normalize == NormalizeKind::Softmax || groups.size;
  auto normaliser =
      NormaliserAttr::get(b.getContext(), softmax ? Normaliser::softmax : Normaliser::map);
  auto op = AttendOp::create(
      b, loc, TypeRange(ValueRange(outs)), normaliser, rowSizes, sizeOf(source.keys.front()),
      b.getI64IntegerAttr(source.query ? constantSize(source.depth) : 0),
      b.getI64IntegerAttr(hasOut ? constantSize(body.column) : 0), b.getI64IntegerAttr(groups.size),
      b.getI64IntegerAttr(0), b.getF64FloatAttr(scale ? scale->asFloat() : 1), outs,
      b.getDenseI32ArrayAttr(names), ScheduleAttr());
  if (source.query) {
    region(op.getQuery(), source.query, rowsD);
    region(op.getKey(), source.key, pairD);
  }
  if (hasOut)
    region(op.getValue(), source.value, pairE);
  if (!scale)
    region(op.getRowScale(), source.scale, rows, {}, body.offset);
  if (RelativeTerm term = relativeTerm(body); term.score)
    relative(op, body, term);
  else if (!source.score->isSpecial(ExprSpecial::Score))
    region(op.getScore(), source.score, pair, {ExprSpecial::Score}, body.offset);
  if (!source.mask->isTrue())
    region(op.getKeep(), source.mask, pair, {}, body.offset);
  if (body.sink)
    region(op.getSink(), body.sink, rows, {}, body.offset);
  Ranges rowsE = rows;
  if (body.column)
    rowsE.push_back(&*body.column);
  if (body.prior && hasOut)
    region(op.getPrior(), body.prior, rowsE, {}, body.offset);
  if (groups.size) {
    region(op.getGrouped(), groups.grouped, pair, {}, body.offset);
    region(op.getLeader(), source.leader, pair, {}, body.offset);
  }
  if (!softmax)
    region(op.getMap(), source.map, pair, {ExprSpecial::Score}, body.offset);
  if (body.divide)
    region(op.getDivide(), body.divide, rows, {ExprSpecial::Sum}, body.offset);
  if (hasOut && (!body.gate->isNumber() || body.gate->floatValue != 1))
    region(op.getGate(), body.gate, rowsE, {}, body.offset);
  return SmallVector<Value>(op.getResults());
}

SmallVector<Value> SpecBuilder::recur(const SpecStep &step, const RecurStep &body) {
  Ranges rows, rowsD, rowsE, outer;
  SmallVector<Value> rowSizes;
  for (auto [i, range] : llvm::enumerate(body.rows)) {
    rows.push_back(&range);
    rowSizes.push_back(sizeOf(range));
    if (int(i) != body.time)
      outer.push_back(&range);
  }
  rowsD = rows, rowsE = rows;
  rowsD.push_back(&*body.depth);
  rowsE.push_back(&*body.column);
  SmallVector<Value> outs;
  SmallVector<int32_t> names;
  outputs(step, outs, names);
  auto op = RecurOp::create(
      b, loc, TypeRange(ValueRange(outs)), RuleAttr::get(b.getContext(), Rule::add), rowSizes,
      b.getI64IntegerAttr(body.time), b.getI64IntegerAttr(constantSize(body.depth)),
      b.getI64IntegerAttr(constantSize(body.column)), outs, b.getDenseI32ArrayAttr(names),
      ScheduleAttr());
  region(op.getQuery(), body.query, rowsD);
  region(op.getKey(), body.key, rowsD);
  region(op.getValue(), body.value, rowsE);
  if (!body.decay->isNumber() || body.decay->floatValue != 1)
    region(op.getDecay(), body.decay, rows);
  if (body.divide)
    region(op.getDivide(), body.divide, rows, {ExprSpecial::Sum});
  Ranges sum = outer, state;
  sum.push_back(&*body.depth);
  state = sum;
  state.push_back(&*body.column);
  if (body.initial)
    region(op.getInitial(), body.initial, state);
  if (body.initialSum)
    region(op.getInitialSum(), body.initialSum, sum);
  return SmallVector<Value>(op.getResults());
}

void SpecBuilder::buildSurface(size_t number) {
  const SpecStep &step = spec.steps[number];
  openFunction(number, /*onMemory=*/false);
  const AttendStep *attendBody = step.getIf<AttendStep>();
  SmallVector<Value> written =
      attendBody ? attend(step, *attendBody) : recur(step, *step.getIf<RecurStep>());
  // Results stand in the order of the arguments, outputs in that of the dialect.
  llvm::DenseMap<Value, Value> result;
  Operation *op = written.front().getDefiningOp();
  ValueRange outs =
      attendBody ? ValueRange(cast<AttendOp>(op).getOuts()) : cast<RecurOp>(op).getOuts();
  for (auto [out, value] : llvm::zip_equal(outs, written))
    result[out] = value;
  SmallVector<Value> returned;
  for (BlockArgument argument : b.getInsertionBlock()->getArguments())
    if (Value value = result.lookup(argument))
      returned.push_back(value);
  func::ReturnOp::create(b, loc, returned);
}

void SpecBuilder::buildLoops(size_t number, StringRef obstacle) {
  const SpecStep &step = spec.steps[number];
  openFunction(number, /*onMemory=*/true);
  LoopBuilder loops(b, values, loc);
  if (const ComputeStep *body = step.getIf<ComputeStep>())
    buildCompute(loops, spec, step, *body);
  else if (const ScanStep *body = step.getIf<ScanStep>())
    buildScan(loops, spec, step, *body);
  else if (const SelectStep *body = step.getIf<SelectStep>())
    buildSelect(loops, spec, step, *body);
  else if (const AttendStep *body = step.getIf<AttendStep>())
    buildAttend(loops, spec, step, *body, obstacle);
  else
    buildRecur(loops, spec, step, *step.getIf<RecurStep>(), obstacle);
  func::ReturnOp::create(b, loc);
}

OwningOpRef<ModuleOp> SpecBuilder::build() {
  for (const SpecDim &dim : spec.dims)
    if (dim.isCompileTime()) {
      values.known[dim.name] = dim.size;
      values.constants[dim.name] = ExprValue::ofInt(dim.size);
    }
  OwningOpRef<ModuleOp> module = ModuleOp::create(b, loc);
  for (size_t i = 0; i < spec.steps.size(); ++i) {
    if (!spec.isLive(i))
      continue;
    loc = locationOf(b.getContext(), spec, spec.steps[i].whereKind);
    b.setInsertionPointToEnd(module->getBody());
    std::string obstacle = tileObstacle(spec, spec.steps[i]);
    if (obstacle.empty())
      buildSurface(i);
    else
      buildLoops(i, obstacle);
  }
  return module;
}

} // namespace

OwningOpRef<ModuleOp> heddle::buildFromSpec(MLIRContext &context, const Spec &spec) {
  context.loadDialect<AttnDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect,
                      memref::MemRefDialect, scf::SCFDialect, tensor::TensorDialect>();
  return SpecBuilder(context, spec).build();
}
