#include "cli/watch.h"

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/exit_code.h"
#include "cli/get_table.h"
#include "cli/mailbox.h"
#include "cli/object_labels.h"
#include "schema/codec.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

// Marks of what a message in the mailbox is.
constexpr char kBatch = 'b';
constexpr char kBeacon = 'h';

class Watcher {
 public:
  Watcher(Session* session, Fetcher* fetcher, const Wanted& wanted, const ListOptions& list,
          const WatchOptions& options)
      : session_(session),
        fetcher_(fetcher),
        wanted_(wanted),
        kind_(*wanted.kind),
        list_(list),
        options_(options),
        cluster_(kind_.of_mesh ? kMeshCluster : list.clusters[0]) {}

  const std::string& cluster() const { return cluster_; }
  bool done() const { return options_.count != 0 && shown_changes_ >= options_.count; }

  absl::Status Begin() {
    TRIVIUM_RETURN_IF_ERROR(Catch(false));
    if (options_.changes_only) return absl::OkStatus();
    return Print(listed_, "ADDED");
  }

  // What a message of the feed says; `lost`: messages before it are missing.
  absl::Status Take(const std::string& message, bool lost) {
    if (message[0] == kBeacon) return TakeBeacon(message.substr(1));
    const absl::StatusOr<Batch> batch = DecodeBatch(absl::string_view(message).substr(1));
    if (!batch.ok()) {
      *session_->err << "a message of the feed is not understood: " << batch.status().message() << "\n";
      return Catch(true);
    }
    if (batch->epoch < at_.epoch() || (batch->epoch == at_.epoch() && batch->revision <= at_.revision())) {
      return absl::OkStatus();  // in the list already
    }
    if (lost || batch->epoch != at_.epoch() || batch->revision != at_.revision() + 1) return Catch(true);
    for (const v1::Change& change : batch->changes.changes())
      TRIVIUM_RETURN_IF_ERROR(Apply(change, batch->revision));
    at_ = batch->Head();
    return absl::OkStatus();
  }

 private:
  using Item = v1::GetResult::Item;

  bool by_identity() const { return kind_.kind == v1::KIND_ENDPOINT; }
  bool by_manifest() const {
    return kind_.kind == v1::KIND_POLICY && (list_.format.whole() || !list_.labels.empty());
  }

  // A head that two beacons in a row show and that has not come: what came last was lost.
  absl::Status TakeBeacon(const std::string& payload) {
    v1::Heads heads;
    if (!heads.ParseFromString(payload)) return absl::OkStatus();
    for (const v1::Head& head : heads.heads()) {
      if (head.cluster() != cluster_) continue;
      const auto seen = std::make_pair(head.epoch(), head.revision());
      const auto at = std::make_pair(at_.epoch(), at_.revision());
      if (seen <= at) return absl::OkStatus();
      if (at < announced_) return Catch(true);
      announced_ = seen;
    }
    return absl::OkStatus();
  }

  // Lists anew; with `show`, says what differs from what is known.
  absl::Status Catch(bool show) {
    if (by_identity()) {
      TRIVIUM_ASSIGN_OR_RETURN(nodes_, fetcher_->NodeNames(list_.clusters[0]));
      TRIVIUM_ASSIGN_OR_RETURN(identities_, fetcher_->Identities(list_.clusters[0]));
    }
    TRIVIUM_ASSIGN_OR_RETURN(const Listing listing, List(fetcher_, wanted_, list_));
    for (const auto& [cluster, head] : listing.at) at_ = head;
    std::map<std::string, Item> now;
    listed_.clear();
    for (const Listed& listed : listing.objects) {
      now[KeyOf(listed.item.object().object()).key] = listed.item;
      listed_.push_back(listed.item);
    }
    const std::map<std::string, Item> before = std::exchange(known_, now);
    if (!show) return absl::OkStatus();
    for (const auto& [key, item] : before) {
      if (now.count(key) == 0) TRIVIUM_RETURN_IF_ERROR(Show(item, "DELETED"));
    }
    for (const Item& item : listed_) {
      const auto it = before.find(KeyOf(item.object().object()).key);
      if (it == before.end()) {
        TRIVIUM_RETURN_IF_ERROR(Show(item, "ADDED"));
      } else if (it->second.object().revision() != item.object().revision()) {
        TRIVIUM_RETURN_IF_ERROR(Show(item, "MODIFIED"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Apply(const v1::Change& change, uint64_t revision) {
    const ObjectKey key = KeyOf(change);
    const bool gone = change.op() == v1::Change::DELETE;
    if (by_identity() && !gone) {
      if (change.object().has_node()) nodes_[change.object().node().number()] = change.object().node().name();
      if (change.object().has_identity())
        identities_[change.object().identity().id()] = change.object().identity();
    }
    if (key.kind != kind_.kind) return absl::OkStatus();
    const auto before = known_.find(key.key);
    Item item;
    bool wanted = !gone && Means(change.object());
    if (wanted) {
      *item.mutable_object()->mutable_object() = change.object();
      item.mutable_object()->set_revision(revision);
      TRIVIUM_ASSIGN_OR_RETURN(wanted, Complete(&item));
    }
    if (!wanted) {
      if (before == known_.end()) return absl::OkStatus();
      const Item last = before->second;
      known_.erase(before);
      return Show(last, "DELETED");
    }
    const bool fresh = before == known_.end();
    known_[key.key] = item;
    return Show(item, fresh ? "ADDED" : "MODIFIED");
  }

  bool Means(const v1::Object& object) const {
    if (object.has_policy() && object.policy().kind() != kind_.name) return false;
    if (kind_.namespaced && !list_.ns.empty() && NamespaceOf(object) != list_.ns) return false;
    if (wanted_.names.empty()) return true;
    for (const std::string& name : wanted_.names) {
      if (name == DisplayName(object)) return true;
    }
    return false;
  }

  // Its manifest where that counts; false if the labels do not match, or it is gone already.
  absl::StatusOr<bool> Complete(Item* item) {
    if (by_manifest()) {
      const v1::Object& object = item->object().object();
      const absl::StatusOr<v1::GetResult> one =
          fetcher_->Get(kind_, list_.clusters[0], NamespaceOf(object), DisplayName(object));
      if (absl::IsNotFound(one.status())) return false;
      TRIVIUM_RETURN_IF_ERROR(one.status());
      if (one->items_size() == 1) *item = one->items(0);
    }
    if (list_.labels.empty()) return true;
    TRIVIUM_ASSIGN_OR_RETURN(const auto labels, LabelsOf(*item, identities_));
    return list_.labels.Matches(labels);
  }

  absl::Status Show(const Item& item, const std::string& event) {
    if (done()) return absl::OkStatus();
    ++shown_changes_;
    return Print({item}, event);
  }

  absl::Status Print(const std::vector<Item>& items, const std::string& event) {
    if (items.empty()) return absl::OkStatus();
    if (list_.format.whole()) {
      for (const Item& item : items) {
        TRIVIUM_ASSIGN_OR_RETURN(Json json, ObjectJson(kind_, item));
        if (options_.events) json = Json{{"type", event}, {"object", std::move(json)}};
        if (list_.format.kind == GetFormat::Kind::kYaml) *session_->out << "---\n";
        *session_->out << FormatJson(list_.format, json);
      }
    } else if (list_.format.kind == GetFormat::Kind::kName) {
      *session_->out << GetNames(kind_, items);
    } else {
      GetView view;
      view.wide = list_.format.kind == GetFormat::Kind::kWide;
      view.with_namespace = list_.all_namespaces;
      view.with_head = !std::exchange(head_shown_, true) && !list_.no_headers;
      view.widths = &widths_;
      if (options_.events) view.events.assign(items.size(), event);
      for (const auto& [number, name] : nodes_) view.nodes[{"", number}] = name;
      if (view.wide) view.identities = identities_;
      *session_->out << GetTable(kind_, items, view);
    }
    session_->out->flush();
    return absl::OkStatus();
  }

  Session* const session_;
  Fetcher* const fetcher_;
  const Wanted wanted_;
  const KindInfo& kind_;
  const ListOptions list_;
  const WatchOptions options_;
  const std::string cluster_;
  v1::Head at_;
  std::pair<uint64_t, uint64_t> announced_;  // by a beacon: epoch and revision
  std::map<std::string, Item> known_;        // by key
  std::vector<Item> listed_;                 // the last list, in its order
  std::map<uint32_t, std::string> nodes_;
  std::map<uint32_t, v1::Identity> identities_;
  std::vector<size_t> widths_;
  bool head_shown_ = false;
  uint64_t shown_changes_ = 0;
};

}  // namespace

absl::StatusOr<int> Watch(Session* session, Client* client, Fetcher* fetcher, const Wanted& wanted,
                          const ListOptions& list, const WatchOptions& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  Watcher watcher(session, fetcher, wanted, list, options);
  const auto mailbox = std::make_shared<Mailbox>();  // the connection's thread may still fill it at the end
  // Heard before it is listed: nothing falls between the two.
  const std::string feed = subjects::Feed(watcher.cluster());
  TRIVIUM_RETURN_IF_ERROR(client->Listen(subjects::kFeedAndHeads, timeout, [mailbox, feed](Message message) {
    if (message.subject == feed) {
      mailbox->Put(absl::StrCat(std::string(1, kBatch), message.payload));
    } else if (message.subject == subjects::kHeads) {
      mailbox->Put(absl::StrCat(std::string(1, kBeacon), message.payload));
    }
  }));
  TRIVIUM_RETURN_IF_ERROR(watcher.Begin());
  while (!watcher.done()) {
    const auto [message, lost] = mailbox->Take();
    const absl::Status status = watcher.Take(message, lost > 0);
    // Who does not answer now may do so when the next message comes; nothing has been taken as shown.
    if (!status.ok()) *session->err << ErrorText(status, *session);
  }
  return kExitOk;
}

}  // namespace trivium::cli
