//===- ShowCommand.cpp - heddle show: steps, masks and tiles to look at -------------------------===//

#include "Commands.h"
#include "Compiling.h"
#include "Files.h"
#include "MaskPicture.h"
#include "Work.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

namespace {
std::string sizesText(const SpecTensor &tensor, const ValueMap &sizes) {
  std::string names, numbers;
  for (const Extent &axis : tensor.axes) {
    names += (names.empty() ? "" : ", ") + axis.text;
    std::optional<ExprValue> size = evaluateConstant(*axis.size, sizes);
    numbers += (numbers.empty() ? "" : " x ") + (size ? std::to_string(size->i) : "?");
  }
  return "[" + names + "]" + (numbers.empty() ? "" : " = " + numbers);
}

/// What each step reads and makes.
std::vector<std::string> stepGraph(const Spec &spec, const ValueMap &sizes) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < spec.steps.size(); ++i) {
    std::string reads, makes;
    forEachExpr(spec.steps[i], [&](const ExprRef &expr) {
      walk(expr, [&](const Expr &node) {
        if (node.kind == ExprKind::Read &&
            (" " + reads + " ").find(" " + node.name + " ") == std::string::npos)
          reads += (reads.empty() ? "" : " ") + node.name;
      });
    });
    for (const StepOutput &output : spec.steps[i].outputs)
      makes += " " + output.tensor + sizesText(*spec.findTensor(output.tensor), sizes);
    lines.push_back(formatv("{0} {1}: {2} ->{3}{4}", i, spec.steps[i].kindName(), reads, makes,
                            spec.isLive(i) ? "" : " (nobody looks at it)"));
  }
  return lines;
}

/// The tile sizes that the first target's widest variant has; 16 x 16 where it has none, or one tile
/// would hold the plane.
std::pair<int64_t, int64_t> tilesOf(const Input &input, const opt::InputArgList &args,
                                    const ValueMap &sizes, const HeadMask &mask) {
  std::string error;
  std::unique_ptr<mlir::MLIRContext> context = createContext();
  auto tiled = compileUntil(*context, input.spec, *input.targets.front(),
                            compileOptions(args, input), "tile-attend", error);
  Work work = tiled ? countWork(*tiled, input.spec, sizes) : Work();
  bool fits = work.hasTiles && mask.rows > work.sizes.query && mask.keys > work.sizes.key;
  return fits ? std::pair(work.sizes.query, work.sizes.key) : std::pair<int64_t, int64_t>(16, 16);
}

std::optional<std::vector<int64_t>> headsOf(const opt::InputArgList &args, const Spec &spec,
                                            const ValueMap &sizes, const AttendStep &attend) {
  constexpr int64_t most = 8;
  std::vector<int64_t> heads;
  SmallVector<StringRef> words;
  for (const std::string &list : args.getAllArgValues(OPT_head))
    StringRef(list).split(words, ',', -1, false);
  for (StringRef word : words) {
    int64_t head;
    if (word.getAsInteger(10, head) || head < 0) {
      printError("--head: expected numbers from 0, got '" + word + "'");
      return std::nullopt;
    }
    heads.push_back(head);
  }
  if (!heads.empty())
    return heads;
  int64_t count = 1;
  for (const IndexRange &row : attend.rows)
    if (row.name == "h" && mentionsIndex(attend.sources.front().mask, "h"))
      count = std::min(most, evaluateConstant(*row.extent.size, sizes)->i);
  for (int64_t head = 0; head < count; ++head)
    heads.push_back(head);
  return heads;
}
} // namespace

int heddle::runShow(const opt::InputArgList &args) {
  int code;
  std::optional<Input> input = readInput(args, /*shapeFixes=*/true, code);
  if (!input)
    return code;
  std::string fault;
  std::optional<ValueMap> sizes = input->spec.resolveSizes(input->shape, true, &fault);
  if (!sizes)
    return printError(fault), exitUsage;
  std::vector<std::string> lines = stepGraph(input->spec, *sizes);
  lines.insert(lines.begin(), input->spec.name);
  for (const std::string &line : lines)
    outs() << line << "\n";
  std::string picture;
  for (size_t i = 0; i < input->spec.steps.size(); ++i) {
    const AttendStep *attend = input->spec.steps[i].getIf<AttendStep>();
    if (!attend || !input->spec.isLive(i))
      continue;
    std::optional<std::vector<int64_t>> heads = headsOf(args, input->spec, *sizes, *attend);
    if (!heads)
      return exitUsage;
    for (size_t s = 0; s < attend->sources.size(); ++s) {
      auto masks = evaluateMask(input->spec, i, s, *sizes, *heads, 0, fault);
      if (!masks)
        return printError(fault), exitUsage;
      if (masks->empty())
        continue;
      auto [rows, keys] = tilesOf(*input, args, *sizes, masks->front());
      std::string title = formatv("step {0}, source {1}: {2} rows x {3} keys, tiles of {4} x {5}",
                                  i, s, masks->front().rows, masks->front().keys, rows, keys);
      outs() << "\n" << title << " (# full, + boundary, . empty)\n" << asText(*masks, rows, keys);
      if (picture.empty()) { // of the first mask
        lines.push_back(title);
        picture = asSvg(*masks, rows, keys, lines);
      }
    }
  }
  const opt::Arg *svg = args.getLastArg(OPT_svg);
  if (!svg)
    return exitOk;
  if (picture.empty())
    return printError("the spec has no attend: there is no mask to draw"), exitUsage;
  if (Error error = writeFile(svg->getValue(), picture))
    return printError(toString(std::move(error))), exitUsage;
  return exitOk;
}
