#include "cli/explain_fields.h"

namespace trivium::cli {
namespace {

// ---- What all kinds share

constexpr FieldDoc kMetadata[] = {
    {"name",
     "string",
     true,
     "The object's name: a DNS subdomain of at most 253 characters (of a Namespace a DNS label of at most "
     "63).",
     {}},
    {"namespace",
     "string",
     false,
     "Where it is; without it the one that -n says, or the context's. Cluster-scoped kinds have none.",
     {}},
    {"labels",
     "map[string]string",
     false,
     "What `get -l` finds it by. Of a Namespace: what namespace selectors see. Of a CiliumCIDRGroup: what "
     "cidrGroupSelector sees.",
     {}},
    {"annotations",
     "map[string]string",
     false,
     "Kept and given back; means nothing for packets. At most 256 KiB.",
     {}},
    {"uid", "string", false, "Made by the server; taken from a copy and means nothing.", {}},
    {"resourceVersion",
     "string",
     false,
     "The cluster's revision of the last change, made by the server; taken from a copy and means nothing.",
     {}},
    {"generation",
     "integer",
     false,
     "Counts changes, made by the server; taken from a copy and means nothing.",
     {}},
    {"creationTimestamp", "string", false, "Taken from a copy of another system and means nothing.", {}},
    {"managedFields", "[]Object", false, "Taken from a copy of another system and means nothing.", {}},
    {"selfLink", "string", false, "Taken from a copy of another system and means nothing.", {}},
};

constexpr FieldDoc kMatchExpressions[] = {
    {"key", "string", true, "The label that the expression is about.", {}},
    {"operator",
     "string",
     true,
     "In and NotIn compare with values (NotIn also matches what lacks the label); Exists and DoesNotExist "
     "ask for the key alone.",
     {}},
    {"values", "[]string", false, "For In and NotIn: at least one. For the others: none.", {}},
};

constexpr FieldDoc kLabelSelector[] = {
    {"matchLabels", "map[string]string", false, "Every one of these labels has this value.", {}},
    {"matchExpressions", "[]Object", false, "Every one of these expressions holds.", kMatchExpressions},
};

constexpr FieldDoc kApiVersion = {
    "apiVersion", "string", true, "networking.k8s.io/v1, cilium.io/v2 or v1, as the kind wants.", {}};
constexpr FieldDoc kKind = {"kind", "string", true, "The kind of object.", {}};
constexpr FieldDoc kMeta = {"metadata", "Object", true, "Who the object is.", kMetadata};

// ---- NetworkPolicy

constexpr FieldDoc kIpBlock[] = {
    {"cidr",
     "string",
     true,
     "A prefix like 192.0.2.0/24 or 2001:db8::/32. It never selects a pod or a node of the mesh.",
     {}},
    {"except", "[]string", false, "Smaller prefixes inside it that are cut out.", {}},
};

constexpr FieldDoc kNetworkPeer[] = {
    {"podSelector", "Object", false,
     "Pods with these labels: of the policy's own namespace, or of those that namespaceSelector selects; {} "
     "is all of them. "
     "The key io.cilium.k8s.policy.cluster looks in other clusters; without it the policy's own cluster is "
     "meant.",
     kLabelSelector},
    {"namespaceSelector", "Object", false,
     "Namespaces with these labels; {} is every namespace. Together with podSelector: these pods of these "
     "namespaces.",
     kLabelSelector},
    {"ipBlock", "Object", false, "Addresses outside of the mesh; stands alone.", kIpBlock},
};

constexpr FieldDoc kNetworkPort[] = {
    {"protocol", "string", false, "TCP (the default), UDP or SCTP.", {}},
    {"port",
     "integer or string",
     false,
     "A number from 1 to 65535, or the name of a port of the pod that is called; without it every port of "
     "the protocol.",
     {}},
    {"endPort", "integer", false, "Every port from `port`, which is a number then, to this one.", {}},
};

constexpr FieldDoc kNetworkIngress[] = {
    {"from", "[]Object", false, "Whom it lets in: any of these. Absent or empty: everyone.", kNetworkPeer},
    {"ports", "[]Object", false, "To which ports: any of these. Absent or empty: every protocol and port.",
     kNetworkPort},
};

constexpr FieldDoc kNetworkEgress[] = {
    {"to", "[]Object", false, "Whom may be called: any of these. Absent or empty: everyone.", kNetworkPeer},
    {"ports", "[]Object", false, "On which ports: any of these. Absent or empty: every protocol and port.",
     kNetworkPort},
};

constexpr FieldDoc kNetworkSpec[] = {
    {"podSelector", "Object", false,
     "The pods of its namespace that the policy is about; {} (or absent) is all of them. Once one policy "
     "selects a pod in a "
     "direction, what no rule allows there is denied.",
     kLabelSelector},
    {"policyTypes",
     "[]string",
     false,
     "Ingress, Egress or both: the directions it is about. Without it Ingress, and Egress if there are "
     "egress rules.",
     {}},
    {"ingress", "[]Object", false, "What is let in to the selected pods: what any rule of any policy allows.",
     kNetworkIngress},
    {"egress", "[]Object", false, "What the selected pods may call: what any rule of any policy allows.",
     kNetworkEgress},
};

constexpr FieldDoc kNetworkStatus[] = {
    {"conditions", "[]Object", false, "Taken from a copy of another system and means nothing.", {}},
};

constexpr FieldDoc kNetworkPolicy[] = {
    kApiVersion,
    kKind,
    kMeta,
    {"spec", "Object", false, "Whom it selects, and what is allowed.", kNetworkSpec},
    {"status", "Object", false, "Taken from a copy of another system and means nothing.", kNetworkStatus},
};

// ---- CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy

constexpr FieldDoc kCidrRule[] = {
    {"cidr", "string", false, "A prefix. One of cidr, cidrGroupRef and cidrGroupSelector is given.", {}},
    {"cidrGroupRef",
     "string",
     false,
     "The prefixes of the CiliumCIDRGroup of that name, as it is at any time; one that does not exist has "
     "none.",
     {}},
    {"cidrGroupSelector", "Object", false, "The prefixes of all CiliumCIDRGroups with these labels.",
     kLabelSelector},
    {"except", "[]string", false, "Prefixes that are cut out of this entry alone.", {}},
};

constexpr FieldDoc kCiliumPort[] = {
    {"port",
     "string",
     true,
     "A number in quotes, a name of a port (without regard to case), or \"0\" for every port.",
     {}},
    {"endPort",
     "integer",
     false,
     "Every port from `port`, which is a number then, to this one; one below it counts for nothing.",
     {}},
    {"protocol", "string", false, "TCP, UDP, SCTP or ANY (the default): all three, never ICMP.", {}},
};

constexpr FieldDoc kCiliumPortRule[] = {
    {"ports", "[]Object", false, "Any of these; at most 40.", kCiliumPort},
};

constexpr FieldDoc kIcmpField[] = {
    {"family", "string", false, "IPv4 (the default) or IPv6.", {}},
    {"type", "integer or string", true, "A type from 0 to 255, or its name like EchoRequest.", {}},
};

constexpr FieldDoc kIcmpRule[] = {
    {"fields", "[]Object", false, "Any of these types; at most 40.", kIcmpField},
};

constexpr char kEndpointsText[] =
    "Endpoints with these labels; a key may have its source in front (k8s:app, any:app). Without a namespace "
    "key the policy's own "
    "namespace, without io.cilium.k8s.policy.cluster the policy's own cluster.";
constexpr char kEntitiesText[] =
    "Any of: all, world, world-ipv4, world-ipv6, cluster, host, remote-node, kube-apiserver, init, health, "
    "unmanaged, ingress, none.";
constexpr char kCidrText[] =
    "Addresses of any of these prefixes; they never select a pod or a node of the mesh.";
constexpr char kCidrSetText[] = "Prefixes with exceptions, or groups of prefixes.";
constexpr char kToPortsText[] =
    "On any of these ports. A rule has either toPorts or icmps; with neither it is for every protocol.";
constexpr char kIcmpsText[] = "For any of these ICMP types.";

constexpr FieldDoc kCiliumIngress[] = {
    {"fromEndpoints", "[]Object", false, kEndpointsText, kLabelSelector},
    {"fromCIDR", "[]string", false, kCidrText, {}},
    {"fromCIDRSet", "[]Object", false, kCidrSetText, kCidrRule},
    {"fromEntities", "[]string", false, kEntitiesText, {}},
    {"toPorts", "[]Object", false, kToPortsText, kCiliumPortRule},
    {"icmps", "[]Object", false, kIcmpsText, kIcmpRule},
};

constexpr FieldDoc kCiliumEgress[] = {
    {"toEndpoints", "[]Object", false, kEndpointsText, kLabelSelector},
    {"toCIDR", "[]string", false, kCidrText, {}},
    {"toCIDRSet", "[]Object", false, kCidrSetText, kCidrRule},
    {"toEntities", "[]string", false, kEntitiesText, {}},
    {"toPorts", "[]Object", false, kToPortsText, kCiliumPortRule},
    {"icmps", "[]Object", false, kIcmpsText, kIcmpRule},
};

constexpr FieldDoc kDefaultDeny[] = {
    {"ingress",
     "boolean",
     false,
     "false: the ingress rules add to others and close nothing. true by default where there are such rules.",
     {}},
    {"egress",
     "boolean",
     false,
     "false: the egress rules add to others and close nothing. true by default where there are such rules.",
     {}},
};

constexpr FieldDoc kRuleLabel[] = {
    {"key", "string", true, "The label's key.", {}},
    {"value", "string", false, "Its value.", {}},
    {"source", "string", false, "Where it comes from.", {}},
    {"cidr", "string", false, "Taken from a copy of another system and means nothing.", {}},
};

constexpr FieldDoc kCiliumSpec[] = {
    {"endpointSelector", "Object", true,
     "The endpoints that the policy is about: of its namespace, or of the cluster if it is clusterwide; {} "
     "is all of them.",
     kLabelSelector},
    {"ingress", "[]Object", false,
     "What is let in to the selected endpoints. A rule {} allows nothing and closes the direction.",
     kCiliumIngress},
    {"ingressDeny", "[]Object", false, "What is shut out, whatever any rule allows.", kCiliumIngress},
    {"egress", "[]Object", false,
     "What the selected endpoints may call. A rule {} allows nothing and closes the direction.",
     kCiliumEgress},
    {"egressDeny", "[]Object", false, "What they may not call, whatever any rule allows.", kCiliumEgress},
    {"enableDefaultDeny", "Object", false, "Whether what no rule allows is denied.", kDefaultDeny},
    {"description", "string", false, "For people; means nothing for packets.", {}},
    {"labels", "[]Object", false, "For people; mean nothing for packets.", kRuleLabel},
};

constexpr FieldDoc kCiliumPolicy[] = {
    kApiVersion,
    kKind,
    kMeta,
    {"spec", "Object", false,
     "Whom it selects, and what is allowed and denied. A policy has a spec, specs or both.", kCiliumSpec},
    {"specs", "[]Object", false, "Several such parts under one name.", kCiliumSpec},
    {"status", "map[string]Object", false, "Taken from a copy of another system and means nothing.", {}},
};

// ---- CiliumCIDRGroup, Namespace

constexpr FieldDoc kGroupSpec[] = {
    {"externalCIDRs", "[]string", true, "The prefixes of the group; [] for none.", {}},
};

constexpr FieldDoc kGroup[] = {
    kApiVersion,
    kKind,
    kMeta,
    {"spec", "Object", true, "What the group holds.", kGroupSpec},
};

constexpr FieldDoc kNamespaceSpec[] = {
    {"finalizers", "[]string", false, "Taken from a copy of another system and means nothing.", {}},
};

constexpr FieldDoc kNamespaceStatus[] = {
    {"phase", "string", false, "Taken from a copy of another system and means nothing.", {}},
    {"conditions", "[]Object", false, "Taken from a copy of another system and means nothing.", {}},
};

constexpr FieldDoc kNamespace[] = {
    kApiVersion,
    kKind,
    kMeta,
    {"spec", "Object", false, "Taken from a copy of another system and means nothing.", kNamespaceSpec},
    {"status", "Object", false, "Taken from a copy of another system and means nothing.", kNamespaceStatus},
};

constexpr KindDoc kKinds[] = {
    {"NetworkPolicy",
     "What pods of one namespace may be called by, and whom they may call. Policies add up: what any of them "
     "allows is "
     "allowed, and what none allows is denied once one selects the pod in that direction.",
     kNetworkPolicy},
    {"CiliumNetworkPolicy",
     "As a NetworkPolicy, with denials that win over everything, entities, groups of prefixes and ICMP "
     "types.",
     kCiliumPolicy},
    {"CiliumClusterwideNetworkPolicy",
     "As a CiliumNetworkPolicy, for endpoints of every namespace of its cluster.", kCiliumPolicy},
    {"CiliumCIDRGroup",
     "Prefixes under one name and labels, for policies of its cluster to refer to; they follow it as it "
     "changes.",
     kGroup},
    {"Namespace",
     "A name that pods and policies live in, with labels that selectors see. kubernetes.io/metadata.name is "
     "always there.",
     kNamespace},
};

}  // namespace

absl::Span<const KindDoc> ExplainedKinds() { return kKinds; }

}  // namespace trivium::cli
