//===- CheckSupported.cpp - what of the language is compiled, and what not yet -----------------===//

#include "dialect/CheckSupported.h"

using namespace heddle;

namespace {

class Supported {
public:
  Supported(const Spec &spec, Diagnostics &diagnostics) : spec(spec), diagnostics(diagnostics) {
    for (const SpecDim &dim : spec.dims)
      if (dim.isCompileTime())
        known[dim.name] = dim.size;
  }
  void check() {
    for (const SpecStep &step : spec.steps) {
      if (const AttendStep *body = step.getIf<AttendStep>())
        attend(*body);
      else if (const RecurStep *body = step.getIf<RecurStep>())
        recur(*body);
    }
  }

private:
  void size(const std::optional<IndexRange> &range, const char *what);
  void attend(const AttendStep &body);
  void recur(const RecurStep &body);

  const Spec &spec;
  Diagnostics &diagnostics;
  std::map<std::string, int64_t> known;
};

/// Depth and value width are compiled in.
void Supported::size(const std::optional<IndexRange> &range, const char *what) {
  if (!range)
    return;
  const std::string &dim = range->extent.text;
  if (std::optional<int64_t> size = evaluateSize(*range->extent.size, known)) {
    constexpr int64_t most = 1024;
    if (*size < 1 || *size > most)
      diagnostics.error(*size < 1 ? SpecCode::Size : SpecCode::TooLarge, range->where,
                        std::string("the range of ") + what + ", " + dim + ", is " +
                            std::to_string(*size) + "; expected 1 to 1024");
    return;
  }
  diagnostics.error(SpecCode::Size, range->where,
                    std::string("the range of ") + what + ", " + dim + ", is not known",
                    "it is compiled in: give it in the spec, or by --size " + dim + "=64");
}

void Supported::attend(const AttendStep &body) {
  for (const AttendSource &source : body.sources)
    size(source.depth, "d");
  size(body.column, "e");
  for (const AttendStatistic &stat : body.stats) {
    bool ofRows = false;
    for (const IndexRange &row : body.rows)
      ofRows |= std::find(stat.over.begin(), stat.over.end(), row.name) != stat.over.end();
    if (ofRows && !stat.index.empty())
      diagnostics.error(SpecCode::Later, stat.where,
                        "a statistic over rows with indices of its own cannot be compiled yet",
                        "write it as a 'compute' over the output 'weights'");
  }
}

void Supported::recur(const RecurStep &body) {
  size(body.depth, "d");
  size(body.column, "e");
}

} // namespace

bool heddle::checkSupported(const Spec &spec, Diagnostics &diagnostics) {
  size_t before = diagnostics.getErrorCount();
  Supported(spec, diagnostics).check();
  return diagnostics.getErrorCount() == before;
}
