#include "tests/bpf/packet_builder.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace trivium {
namespace {

void Put16(std::string* bytes, uint16_t value) {
  bytes->push_back(static_cast<char>(value >> 8));
  bytes->push_back(static_cast<char>(value));
}

uint16_t Checksum(absl::string_view bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<uint8_t>(bytes[i]) << 8 | static_cast<uint8_t>(bytes[i + 1]);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

std::string Transport(const PacketSpec& spec) {
  std::string bytes;
  if (spec.protocol == kIcmp || spec.protocol == kIcmpV6) {
    Put16(&bytes, spec.destination_port);
    Put16(&bytes, 0);
    Put16(&bytes, spec.source_port);
    Put16(&bytes, 1);
    return bytes + spec.payload;
  }
  Put16(&bytes, spec.source_port);
  Put16(&bytes, spec.destination_port);
  if (spec.protocol == kTcp) {
    bytes += std::string(8, '\0');
    bytes.push_back(5 << 4);
    bytes.push_back(static_cast<char>(spec.tcp_flags));
    bytes += std::string(6, '\0');
  } else if (spec.protocol == kUdp) {
    Put16(&bytes, static_cast<uint16_t>(8 + spec.payload.size()));
    Put16(&bytes, 0);
  } else if (spec.protocol == kSctp) {
    bytes += std::string(8, '\0');
    bytes.push_back(static_cast<char>(spec.sctp_chunk));
    bytes.push_back(0);
    Put16(&bytes, static_cast<uint16_t>(4 + spec.payload.size()));
  }
  return bytes + spec.payload;
}

}  // namespace

std::string Ip(const std::string& text) {
  char bytes[16];
  const bool v6 = text.find(':') != std::string::npos;
  if (inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes) != 1) {
    std::fprintf(stderr, "not an address: %s\n", text.c_str());
    std::abort();
  }
  return std::string(bytes, v6 ? 16 : 4);
}

PacketSpec PacketSpec::Reply() const {
  PacketSpec reply = *this;
  std::swap(reply.source, reply.destination);
  if (protocol == kIcmp) {
    reply.destination_port = 0;
  } else if (protocol == kIcmpV6) {
    reply.destination_port = 129 << 8;
  } else {
    std::swap(reply.source_port, reply.destination_port);
  }
  reply.tcp_flags = kAck | (tcp_flags & kSyn);
  reply.sctp_chunk = sctp_chunk == kSctpInit ? 2 : 0;
  return reply;
}

std::string IpPacket(const PacketSpec& spec) {
  const std::string transport = Transport(spec);
  std::string ip;
  if (spec.source.size() == 4) {
    const size_t header = 20 + spec.ip_options.size();
    ip.push_back(static_cast<char>(0x40 | header / 4));
    ip.push_back(0);
    Put16(&ip, static_cast<uint16_t>(header + transport.size()));
    Put16(&ip, 1);
    Put16(&ip, 0x4000);
    ip.push_back(static_cast<char>(spec.ttl));
    ip.push_back(static_cast<char>(spec.protocol));
    Put16(&ip, 0);
    ip += spec.source + spec.destination + spec.ip_options;
    const uint16_t checksum = Checksum(ip);
    ip[10] = static_cast<char>(checksum >> 8);
    ip[11] = static_cast<char>(checksum);
  } else {
    ip.assign("\x60\0\0\0", 4);
    Put16(&ip, static_cast<uint16_t>(spec.extensions.size() + transport.size()));
    ip.push_back(static_cast<char>(spec.extensions.empty() ? spec.protocol : spec.next_header));
    ip.push_back(static_cast<char>(spec.ttl));
    ip += spec.source + spec.destination + spec.extensions;
  }
  return ip + transport;
}

std::string Frame(uint16_t ether_type, absl::string_view payload) {
  std::string frame("\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
  Put16(&frame, ether_type);
  frame.append(payload.data(), payload.size());
  return frame;
}

std::string Frame(const PacketSpec& spec) {
  return Frame(spec.source.size() == 4 ? 0x0800 : 0x86dd, IpPacket(spec));
}

bool Ipv4ChecksumOk(absl::string_view frame) {
  const size_t header = (frame[kIpOffset] & 0xf) * 4;
  return Checksum(frame.substr(kIpOffset, header)) == 0;
}

}  // namespace trivium
