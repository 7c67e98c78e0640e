//===- FileReader.h - the object of a spec file -----------------------------===//

#ifndef HEDDLE_SPECS_READER_FILEREADER_H
#define HEDDLE_SPECS_READER_FILEREADER_H

#include "specs/reader/SpecReader.h"
#include "specs/reader/StepReader.h"

namespace heddle {
constexpr int64_t maxSize = (int64_t(1) << 31) - 1;

class FileReader {
public:
  FileReader(const ReadOptions &options, Diagnostics &diagnostics)
      : options(options), diagnostics(diagnostics), scope(spec, diagnostics) {}
  std::optional<Spec> read(const JsonValue &root, const std::string &fileName);

private:
  bool fail(SpecCode code, SourceRange where, std::string message, std::string help = {}) {
    diagnostics.error(code, where, std::move(message), std::move(help));
    return false;
  }
  const JsonValue *object(const JsonValue &root, const char *key, bool needed);
  bool header(const JsonValue &root);
  bool newName(const std::string &name, SourceRange where);
  bool param(const std::string &name, const JsonValue &value, SourceRange where);
  bool override(SpecParam &param);
  bool dims(const JsonValue &root);
  bool resolveDims(const std::vector<std::pair<size_t, const JsonValue *>> &derived);
  bool tensor(const std::string &name, const JsonValue &value, SourceRange where);
  bool tensorRange(SpecTensor &tensor, const JsonValue &value);
  void standAlone();
  bool requirements(const JsonValue &root);
  bool results(const JsonValue &root);
  bool example(const JsonValue &root);

  const ReadOptions &options;
  Diagnostics &diagnostics;
  Spec spec;
  Scope scope;
};

} // namespace heddle

#endif
