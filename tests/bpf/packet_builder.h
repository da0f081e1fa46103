// Crafts Ethernet frames for the kernel programs. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace trivium {

enum : uint8_t { kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpV6 = 58, kSctp = 132 };
enum : uint8_t { kFin = 1, kSyn = 2, kRst = 4, kAck = 16 };
enum : uint8_t { kSctpInit = 1, kSctpAbort = 6 };

// 4 or 16 bytes of an address as text; ends the program on anything else.
std::string Ip(const std::string& text);

struct PacketSpec {
  std::string source;  // 4 or 16 bytes, both of one family
  std::string destination;
  uint8_t protocol = kTcp;
  uint16_t source_port = 40000;   // of ICMP echo: the id
  uint16_t destination_port = 0;  // of ICMP: type << 8 | code
  uint8_t tcp_flags = kSyn;
  uint8_t sctp_chunk = kSctpInit;
  uint8_t ttl = 64;
  std::string ip_options;  // IPv4: a multiple of 4 bytes
  std::string extensions;  // IPv6: whole extension headers; `next_header` names the first
  uint8_t next_header = 0;
  std::string payload = "hello, neighbour";  // of an ICMP error: the packet that it is about
  PacketSpec Reply()
      const;  // what the other end sends back: SYN+ACK, echo reply, ports and addresses swapped
};

// From the IP header on, with a right IPv4 header checksum; other checksums are left 0.
std::string IpPacket(const PacketSpec& spec);
std::string Frame(const PacketSpec& spec);
// Any payload behind an Ethernet header.
std::string Frame(uint16_t ether_type, absl::string_view payload);

constexpr size_t kIpOffset = 14;
bool Ipv4ChecksumOk(absl::string_view frame);

}  // namespace trivium
