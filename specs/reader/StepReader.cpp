//===- StepReader.cpp - one step of a spec, checked -------------------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

bool heddle::checkKeys(const JsonValue &object, const std::vector<std::string> &allowed,
                       Diagnostics &diagnostics) {
  bool good = true;
  for (size_t i = 0; i < object.members.size(); ++i) {
    const std::string &key = object.members[i].first;
    if (std::find(allowed.begin(), allowed.end(), key) != allowed.end())
      continue;
    good = false;
    std::string nearest = nearestName(key, allowed);
    diagnostics.error(SpecCode::UnknownKey, object.keys[i], "unknown key '" + key + "'",
                      nearest.empty() ? "allowed here: " + joinNames(allowed)
                                      : "did you mean '" + nearest + "'?");
  }
  return good;
}

static bool readOutputs(const JsonValue &json, size_t number, SpecStep &step, Spec &spec,
                        Diagnostics &diagnostics) {
  const JsonValue *as = json.find("as");
  if (!as)
    return diagnostics.error(SpecCode::Missing, json.where, "'as' is missing",
                             "name the output: \"as\": \"o\""),
           false;
  auto add = [&](const std::string &kind, const JsonValue &value, SourceRange where) {
    if (value.kind != JsonValue::Kind::String)
      return diagnostics.error(SpecCode::Type, value.where,
                               std::string("expected a name, got ") + value.kindName()),
             false;
    std::optional<OutputShape> shape = outputOf(step, kind);
    if (!shape) {
      std::string nearest = nearestName(kind, outputNames(step));
      return diagnostics.error(SpecCode::UnknownName, where,
                               "this step has no output '" + kind + "'",
                               nearest.empty() ? "there are " + joinNames(outputNames(step))
                                               : "did you mean '" + nearest + "'?"),
             false;
    }
    if (shape->axes.size() > 8)
      return diagnostics.error(SpecCode::TooLarge, where,
                               "the output '" + kind + "' has more than 8 axes"),
             false;
    if (!isName(value.text))
      return diagnostics.error(SpecCode::Syntax, value.where, "'" + value.text + "' is no name"),
             false;
    if (spec.findTensor(value.text))
      return diagnostics.error(SpecCode::Shadow, value.where,
                               "a tensor '" + value.text + "' is there already"),
             false;
    SpecTensor tensor;
    tensor.name = value.text;
    tensor.axes = shape->axes;
    tensor.type = shape->type;
    tensor.step = int(number);
    tensor.output = kind;
    tensor.where = value.where;
    spec.tensors.push_back(tensor);
    step.outputs.push_back({kind, value.text, value.where});
    return true;
  };
  if (as->kind == JsonValue::Kind::String)
    return add(step.getIf<SelectStep>() ? "list" : "out", *as, as->where);
  if (as->kind != JsonValue::Kind::Object)
    return diagnostics.error(SpecCode::Type, as->where, "expected a name or an object of names"),
           false;
  for (size_t i = 0; i < as->members.size(); ++i)
    if (!add(as->members[i].first, as->members[i].second, as->keys[i]))
      return false;
  return true;
}

bool heddle::readStep(const JsonValue &json, size_t number, Spec &spec, Diagnostics &diagnostics) {
  if (json.kind != JsonValue::Kind::Object)
    return diagnostics.error(SpecCode::Type, json.where,
                             std::string("expected a step, got ") + json.kindName()),
           false;
  static const std::vector<std::string> kinds = {"attend", "recur", "compute", "scan", "select"};
  std::vector<std::string> allowed = kinds;
  allowed.insert(allowed.end(), {"as", "about"});
  if (!checkKeys(json, allowed, diagnostics))
    return false;
  SpecStep step;
  step.where = json.where;
  const JsonValue *body = nullptr;
  std::string kind;
  for (size_t i = 0; i < json.members.size(); ++i)
    if (std::find(kinds.begin(), kinds.end(), json.members[i].first) != kinds.end()) {
      if (body)
        return diagnostics.error(SpecCode::UnknownKey, json.keys[i],
                                 "a step has one kind, got '" + kind + "' and '" +
                                     json.members[i].first + "'"),
               false;
      body = &json.members[i].second;
      kind = json.members[i].first;
      step.whereKind = json.keys[i];
    }
  if (!body)
    return diagnostics.error(SpecCode::Missing, json.where, "the kind of the step is missing",
                             "one of " + joinNames(kinds)),
           false;
  if (body->kind != JsonValue::Kind::Object)
    return diagnostics.error(SpecCode::Type, body->where,
                             std::string("expected an object, got ") + body->kindName()),
           false;
  BodyReader reader(*body, spec, diagnostics);
  auto read = [&](auto made, auto method) {
    step.body = std::move(made);
    return (reader.*method)(std::get<decltype(made)>(step.body));
  };
  bool good = kind == "attend"    ? read(AttendStep(), &BodyReader::attend)
              : kind == "recur"   ? read(RecurStep(), &BodyReader::recur)
              : kind == "compute" ? read(ComputeStep(), &BodyReader::compute)
              : kind == "scan"    ? read(ScanStep(), &BodyReader::scan)
                                  : read(SelectStep(), &BodyReader::select);
  if (!good || !readOutputs(json, number, step, spec, diagnostics))
    return false;
  spec.steps.push_back(std::move(step));
  return true;
}
