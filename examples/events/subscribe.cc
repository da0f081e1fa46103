// Reads a durable consumer of Trivium's events with nats.c, and prints each event's subject and id.
//
//   subscribe SERVER FOLDER CLUSTER NAME CONSUMER COUNT
//
// FOLDER holds ca.crt and <cluster>-sub-<name>.crt and .key. It pulls and acknowledges with plain requests:
// js_PullSubscribe asks about the consumer first, which a subscriber may not.
#include <nats.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

int Fail(const char* what, natsStatus status) {
  fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
  return 1;
}

// The sequence in the stream, from where to acknowledge: $JS.ACK.<stream>.<consumer>.<times>.<sequence>...
uint64_t SequenceOf(const char* reply) {
  const char* at = reply;
  for (int i = 0; i < 5 && at != nullptr; ++i) {
    at = strchr(at, '.');
    if (at != nullptr) ++at;
  }
  return at == nullptr ? 0 : strtoull(at, nullptr, 10);
}

// The value of a text attribute. Real readers use a JSON library.
std::string TextOf(const std::string& json, const std::string& name) {
  const std::string key = "\"" + name + "\":\"";
  const size_t from = json.find(key);
  if (from == std::string::npos) return "";
  const size_t begin = from + key.size();
  return json.substr(begin, json.find('"', begin) - begin);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: %s SERVER FOLDER CLUSTER NAME CONSUMER COUNT\n", argv[0]);
    return 2;
  }
  const std::string server = argv[1], folder = argv[2], cluster = argv[3], name = argv[4], consumer = argv[5];
  const int count = atoi(argv[6]);
  const std::string file = folder + "/" + cluster + "-sub-" + name;
  const std::string prefix = "_INBOX." + cluster + ":sub:" + name;
  const std::string inbox = prefix + ".pull";
  const std::string next = "$JS.API.CONSUMER.MSG.NEXT.TRIVIUM-EV-" + cluster + "." + consumer;

  natsOptions* options = nullptr;
  natsConnection* connection = nullptr;
  natsSubscription* pulled = nullptr;
  natsStatus s = natsOptions_Create(&options);
  if (s == NATS_OK) s = natsOptions_SetURL(options, server.c_str());
  if (s == NATS_OK) s = natsOptions_SetSecure(options, true);
  if (s == NATS_OK) s = natsOptions_LoadCATrustedCertificates(options, (folder + "/ca.crt").c_str());
  if (s == NATS_OK)
    s = natsOptions_LoadCertificatesChain(options, (file + ".crt").c_str(), (file + ".key").c_str());
  if (s == NATS_OK) s = natsOptions_SetCustomInboxPrefix(options, prefix.c_str());
  if (s == NATS_OK) s = natsOptions_SetMaxReconnect(options, -1);
  if (s == NATS_OK) s = natsConnection_Connect(&connection, options);
  if (s != NATS_OK) return Fail("connect", s);
  s = natsConnection_SubscribeSync(&pulled, connection, inbox.c_str());
  if (s != NATS_OK) return Fail("subscribe", s);

  uint64_t last = 0;
  for (int taken = 0; taken < count;) {
    const std::string ask = "{\"batch\":" + std::to_string(count - taken < 100 ? count - taken : 100) +
                            ",\"expires\":5000000000}";
    s = natsConnection_PublishRequest(connection, next.c_str(), inbox.c_str(), ask.data(),
                                      static_cast<int>(ask.size()));
    while (s == NATS_OK && taken < count) {
      natsMsg* message = nullptr;
      s = natsSubscription_NextMsg(&message, pulled, 6000);
      if (s != NATS_OK) break;
      const char* const reply = natsMsg_GetReply(message);
      const bool event = reply != nullptr && strncmp(reply, "$JS.ACK.", 8) == 0;
      if (event) {
        const uint64_t sequence = SequenceOf(reply);
        const std::string json(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
        // Again, with the same sequence: its acknowledgement was not heard in time.
        if (sequence > last) printf("%s %s\n", natsMsg_GetSubject(message), TextOf(json, "id").c_str());
        last = sequence > last ? sequence : last;
        // With an answer: then the server has it.
        natsMsg* heard = nullptr;
        natsConnection_RequestString(&heard, connection, reply, "+ACK", 2000);
        natsMsg_Destroy(heard);
        ++taken;
      }
      natsMsg_Destroy(message);
      if (!event) break;  // the request is over: ask again
    }
    if (s == NATS_TIMEOUT) s = NATS_OK;
    if (s != NATS_OK) return Fail("pull", s);
  }
  natsSubscription_Destroy(pulled);
  natsConnection_Destroy(connection);
  natsOptions_Destroy(options);
  nats_Close();
  return 0;
}
