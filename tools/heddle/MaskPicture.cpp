//===- MaskPicture.cpp - the pairs that a mask keeps, as a picture ------------------------------===//

#include "MaskPicture.h"
#include "Reference.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

namespace {
/// `pos` written out, the number of the source put in; what a compute cannot say is told in `fault`.
ExprRef plainOf(const ExprRef &expr, const ExprRef &offset, int64_t source, std::string &fault) {
  if (expr->isSpecial(ExprSpecial::Pos))
    return makeBinary(BinaryOp::Add, makeName(ExprKind::Index, "q_idx", ExprType::Int), offset);
  if (expr->isSpecial(ExprSpecial::Source))
    return makeInt(source);
  if (expr->kind == ExprKind::Special) {
    fault = "a mask that reads the query or key vector has no picture";
    return expr;
  }
  auto copy = std::make_shared<Expr>(*expr);
  for (ExprRef &arg : copy->args)
    arg = plainOf(arg, offset, source, fault);
  return copy;
}

/// The steps before, and one that computes the mask.
Spec specOfMask(const Spec &spec, size_t number, size_t source, std::string &fault) {
  Spec masks = spec;
  const AttendStep &attend = *spec.steps[number].getIf<AttendStep>();
  ComputeStep compute;
  compute.index = attend.rows;
  for (const IndexRange &key : attend.sources[source].keys)
    compute.index.push_back(key);
  compute.value = plainOf(attend.sources[source].mask, attend.offset, int64_t(source), fault);
  compute.where = makeBool(true);
  SpecTensor tensor;
  tensor.name = "heddle keep";
  for (const IndexRange &range : compute.index)
    tensor.axes.push_back(range.extent);
  tensor.type = ExprType::Bool;
  tensor.storage = StorageType::Bool;
  tensor.step = int(number);
  tensor.output = "out";
  tensor.isResult = true;
  masks.steps.resize(number + 1);
  masks.steps[number].body = compute;
  masks.steps[number].outputs = {{"out", tensor.name, {}}};
  auto later = [&](const SpecTensor &t) { return t.step >= int(number); };
  masks.tensors.erase(std::remove_if(masks.tensors.begin(), masks.tensors.end(), later),
                      masks.tensors.end());
  for (SpecTensor &t : masks.tensors)
    t.isResult = false;
  masks.tensors.push_back(tensor);
  masks.results = {tensor.name};
  markUses(masks);
  return masks;
}

std::vector<int64_t> shapeOf(const std::vector<IndexRange> &ranges, const ValueMap &sizes) {
  std::vector<int64_t> shape;
  for (const IndexRange &range : ranges)
    shape.push_back(evaluateConstant(*range.extent.size, sizes)->i);
  return shape;
}

/// The plane of one head out of the whole mask.
HeadMask planeOf(const AttendStep &attend, const std::vector<int64_t> &rowShape, int64_t keys,
                 const HostTensor &whole, int64_t head) {
  HeadMask plane;
  plane.head = head;
  plane.keys = keys;
  plane.rows = 1;
  for (size_t i = 0; i < rowShape.size(); ++i)
    if (attend.rows[i].name != "b" && attend.rows[i].name != "h")
      plane.rows *= rowShape[i];
  for (int64_t row = 0; row < plane.rows; ++row) {
    int64_t rest = row, number = 0, stride = 1;
    for (size_t i = rowShape.size(); i-- > 0;) {
      int64_t at = attend.rows[i].name == "h" ? head : 0;
      if (attend.rows[i].name != "b" && attend.rows[i].name != "h") {
        at = rest % rowShape[i];
        rest /= rowShape[i];
      }
      number += at * stride;
      stride *= rowShape[i];
    }
    for (int64_t key = 0; key < keys; ++key)
      plane.keep.push_back(whole.get(number * keys + key) != 0);
  }
  return plane;
}
} // namespace

std::optional<std::vector<HeadMask>> heddle::evaluateMask(const Spec &spec, size_t step,
                                                          size_t source, const ValueMap &sizes,
                                                          const std::vector<int64_t> &heads,
                                                          uint64_t seed, std::string &fault) {
  constexpr int64_t limit = int64_t(1) << 30;
  Spec masks = specOfMask(spec, step, source, fault);
  if (!fault.empty())
    return std::nullopt;
  const AttendStep &attend = *spec.steps[step].getIf<AttendStep>();
  std::optional<std::vector<HostTensor>> tensors =
      createTensors(masks, sizes, Layout::Contiguous, limit, fault);
  if (!tensors)
    return std::nullopt;
  for (HostTensor &tensor : *tensors)
    if (tensor.spec.isInput() && !fillRandom(tensor, sizes, seed, fault))
      return std::nullopt;
  if (!evaluateDefinition(masks, sizes, *tensors, fault))
    return std::nullopt;
  std::vector<int64_t> rowShape = shapeOf(attend.rows, sizes);
  int64_t keys = 1, numHeads = 1;
  for (int64_t size : shapeOf(attend.sources[source].keys, sizes))
    keys *= size;
  bool empty = false;
  for (size_t i = 0; i < rowShape.size(); ++i) {
    empty |= rowShape[i] == 0;
    if (attend.rows[i].name == "h")
      numHeads = rowShape[i];
  }
  std::vector<HeadMask> planes;
  for (int64_t head : heads) {
    if (head >= numHeads) {
      fault = formatv("there is no head {0}: the call has {1}", head, numHeads);
      return std::nullopt;
    }
    if (!empty)
      planes.push_back(planeOf(attend, rowShape, keys, tensors->back(), head));
  }
  return planes;
}

TileClass heddle::classOf(const HeadMask &mask, int64_t row, int64_t key, int64_t tileRows,
                          int64_t tileKeys) {
  int64_t kept = 0, all = 0;
  for (int64_t r = row; r < std::min(row + tileRows, mask.rows); ++r)
    for (int64_t k = key; k < std::min(key + tileKeys, mask.keys); ++k, ++all)
      kept += mask.at(r, k);
  bool cut = key + tileKeys > mask.keys; // what the end of the keys cuts is never full
  return kept == 0 ? TileClass::Empty : kept == all && !cut ? TileClass::Full : TileClass::Boundary;
}

std::string heddle::asText(const std::vector<HeadMask> &masks, int64_t tileRows, int64_t tileKeys) {
  std::string text;
  int64_t most = 0;
  for (const HeadMask &mask : masks) {
    std::string title = formatv("head {0}", mask.head);
    size_t width = std::max<size_t>((mask.keys + tileKeys - 1) / tileKeys, title.size());
    text += title + std::string(width + 2 - title.size(), ' ');
    most = std::max(most, mask.rows);
  }
  for (int64_t row = 0; row < most; row += tileRows) {
    text += "\n";
    for (const HeadMask &mask : masks) {
      std::string line;
      for (int64_t key = 0; key < mask.keys; key += tileKeys)
        line += ".+#"[int(classOf(mask, row, key, tileRows, tileKeys))];
      size_t width = std::max<size_t>(line.size(), formatv("head {0}", mask.head).str().size());
      text += line + std::string(width + 2 - line.size(), ' ');
    }
  }
  return text + "\n";
}

/// One head: tiles by their class, kept pairs of boundary ones row by row.
static void panel(raw_ostream &os, const HeadMask &mask, int64_t tileRows, int64_t tileKeys,
                  double scale, double left, double top) {
  static constexpr const char *fills[] = {"#eef0f2", "#f6e3b8", "#4f8f6b"};
  auto box = [&](double x, double y, double w, double h, StringRef fill, StringRef more) {
    os << formatv("<rect x='{0:F2}' y='{1:F2}' width='{2:F2}' height='{3:F2}' fill='{4}'{5}/>\n",
                  left + x * scale, top + y * scale, w * scale, h * scale, fill, more);
  };
  os << formatv("<text x='{0:F2}' y='{1:F2}'>head {2}</text>\n", left, top - 6, mask.head);
  for (int64_t row = 0; row < mask.rows; row += tileRows)
    for (int64_t key = 0; key < mask.keys; key += tileKeys) {
      int64_t rows = std::min(tileRows, mask.rows - row),
              keys = std::min(tileKeys, mask.keys - key);
      TileClass kind = classOf(mask, row, key, tileRows, tileKeys);
      box(key, row, keys, rows, fills[int(kind)], " stroke='#ffffff' stroke-width='0.5'");
      if (kind != TileClass::Boundary)
        continue;
      for (int64_t r = row; r < row + rows; ++r)
        for (int64_t k = key; k < key + keys;) {
          int64_t end = k;
          while (end < key + keys && mask.at(r, end))
            ++end;
          if (end > k)
            box(k, r, end - k, 1, "#d08a2e", "");
          k = end + 1;
        }
    }
}

std::string heddle::asSvg(const std::vector<HeadMask> &masks, int64_t tileRows, int64_t tileKeys,
                          const std::vector<std::string> &lines) {
  constexpr double side = 256, gap = 24, lineHeight = 16;
  std::string panels, out;
  raw_string_ostream os(panels);
  double top = 20 + lineHeight * lines.size() + 20, left = gap, bottom = top;
  for (const HeadMask &mask : masks) {
    double scale = side / std::max<double>(1, std::max(mask.rows, mask.keys));
    panel(os, mask, tileRows, tileKeys, scale, left, top);
    left += mask.keys * scale + gap;
    bottom = std::max(bottom, top + mask.rows * scale);
  }
  size_t widest = 0;
  for (const std::string &line : lines)
    widest = std::max(widest, line.size());
  double width = std::max(left, 7.3 * widest + 2 * gap);
  raw_string_ostream all(out);
  all << formatv("<svg xmlns='http://www.w3.org/2000/svg' width='{0:F0}' height='{1:F0}' "
                 "font-family='monospace' font-size='12'>\n<rect width='100%' height='100%' "
                 "fill='#ffffff'/>\n",
                 width, bottom + gap);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string escaped;
    for (char c : lines[i])
      escaped += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    all << formatv("<text x='{0:F0}' y='{1:F0}'>{2}</text>\n", gap, 24 + lineHeight * i, escaped);
  }
  all << panels << "</svg>\n";
  return out;
}
