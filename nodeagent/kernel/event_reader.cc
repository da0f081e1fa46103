#include "nodeagent/kernel/event_reader.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

namespace trivium {

absl::StatusOr<std::unique_ptr<EventReader>> EventReader::Open(const Datapath& datapath, Callback callback) {
  std::unique_ptr<EventReader> reader(new EventReader(std::move(callback)));
  reader->ring_ = ring_buffer__new(
      datapath.events_fd(),
      [](void* self, void* data, size_t size) {
        flow_event event;
        if (size != sizeof(event)) return -EBADMSG;
        std::memcpy(&event, data, sizeof(event));
        static_cast<EventReader*>(self)->callback_(event);
        return 0;
      },
      reader.get(), nullptr);
  if (reader->ring_ == nullptr) return absl::ErrnoToStatus(errno, "open the ring buffer of flow events");
  return reader;
}

EventReader::~EventReader() {
  if (ring_ != nullptr) ring_buffer__free(ring_);
}

absl::StatusOr<int> EventReader::Drain() {
  const int read = ring_buffer__consume(ring_);
  if (read < 0) return absl::ErrnoToStatus(-read, "read flow events");
  return read;
}

}  // namespace trivium
