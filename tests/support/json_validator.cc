#include "tests/support/json_validator.h"

#include <regex>
#include <set>

namespace trivium {
namespace {

using Json = nlohmann::ordered_json;

bool HasType(const Json& document, const std::string& type) {
  if (type == "object") return document.is_object();
  if (type == "array") return document.is_array();
  if (type == "string") return document.is_string();
  if (type == "boolean") return document.is_boolean();
  if (type == "integer") return document.is_number_integer();
  if (type == "number") return document.is_number();
  return false;
}

class Check {
 public:
  Check(const Json& schema, const Json& document, std::string at)
      : schema_(schema), document_(document), at_(std::move(at)) {}

  std::vector<std::string> Run() {
    static const std::set<std::string> kSilent = {"$schema", "$id", "title", "then", "additionalProperties"};
    for (const auto& [keyword, rule] : schema_.items()) {
      if (!kSilent.contains(keyword)) Apply(keyword, rule);
    }
    if (document_.is_object() && schema_.contains("additionalProperties")) Additional();
    return std::move(breaches_);
  }

 private:
  void Apply(const std::string& keyword, const Json& rule) {
    if (keyword == "type") {
      Expect(HasType(document_, rule.get<std::string>()), "is no " + rule.get<std::string>());
    } else if (keyword == "const") {
      Expect(document_ == rule, "is not " + rule.dump());
    } else if (keyword == "enum") {
      bool among = false;
      for (const Json& value : rule) among = among || document_ == value;
      Expect(among, document_.dump() + " is not among " + rule.dump());
    } else if (keyword == "pattern") {
      if (document_.is_string()) {
        Expect(std::regex_search(document_.get<std::string>(), std::regex(rule.get<std::string>())),
               document_.dump() + " does not match " + rule.dump());
      }
    } else if (keyword == "minimum") {
      if (document_.is_number()) Expect(document_ >= rule, "is below " + rule.dump());
    } else if (keyword == "maximum") {
      if (document_.is_number()) Expect(document_ <= rule, "is above " + rule.dump());
    } else if (keyword == "minItems") {
      if (document_.is_array()) Expect(document_.size() >= rule.get<size_t>(), "has too few items");
    } else if (keyword == "items") {
      for (size_t i = 0; document_.is_array() && i < document_.size(); ++i) {
        Add(JsonBreaches(rule, document_[i], at_ + "[" + std::to_string(i) + "]"));
      }
    } else if (keyword == "required") {
      for (const Json& name : rule) {
        if (document_.is_object()) {
          Expect(document_.contains(name.get<std::string>()), "lacks " + name.get<std::string>());
        }
      }
    } else if (keyword == "properties") {
      for (const auto& [name, property] : rule.items()) {
        if (document_.is_object() && document_.contains(name)) {
          Add(JsonBreaches(property, document_[name], at_ + "." + name));
        }
      }
    } else if (keyword == "not") {
      Expect(!JsonBreaches(rule, document_, at_).empty(), "is what it must not be: " + rule.dump());
    } else if (keyword == "if") {
      if (JsonBreaches(rule, document_, at_).empty()) Add(JsonBreaches(schema_.at("then"), document_, at_));
    } else {
      breaches_.push_back(at_ + ": the schema says \"" + keyword + "\", which this validator does not know");
    }
  }

  void Additional() {
    const Json& rule = schema_.at("additionalProperties");
    for (const auto& [name, value] : document_.items()) {
      if (schema_.contains("properties") && schema_.at("properties").contains(name)) continue;
      if (rule.is_boolean()) {
        Expect(rule.get<bool>(), "has " + name + ", which the schema does not know");
      } else {
        Add(JsonBreaches(rule, value, at_ + "." + name));
      }
    }
  }

  void Expect(bool holds, const std::string& breach) {
    if (!holds) breaches_.push_back(at_ + ": " + breach);
  }
  void Add(const std::vector<std::string>& more) {
    breaches_.insert(breaches_.end(), more.begin(), more.end());
  }

  const Json& schema_;
  const Json& document_;
  const std::string at_;
  std::vector<std::string> breaches_;
};

}  // namespace

std::vector<std::string> JsonBreaches(const Json& schema, const Json& document, const std::string& at) {
  return Check(schema, document, at).Run();
}

}  // namespace trivium
