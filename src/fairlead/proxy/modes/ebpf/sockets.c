/* SPDX-License-Identifier: (Apache-2.0 OR MIT OR GPL-2.0)
 *
 * Sockets of a node and of its pods dial an endpoint where they ask for a Service: attached to the node's cgroup2 folder
 * at connect(2), sendmsg(2), recvmsg(2) and getpeername(2).
 *
 * What is not in the map of frontends passes unchanged, and so do connected UDP sockets: their packets go the way of
 * packets from outside, by nftables. A peer that connect(2) has fixed could not be changed when its endpoint goes.
 *
 * Addresses are IPv6 throughout, IPv4 as ::ffff:a.b.c.d, ports and addresses in network byte order. The structures are
 * packed by encode.py. No header is included, so that the object depends on nothing but this file and the compiler:
 * what is declared here is part of the kernel's stable interface (linux/bpf.h).
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

struct bpf_sock_addr {
	u32 user_family;
	u32 user_ip4;
	u32 user_ip6[4];
	u32 user_port;
	u32 family;
	u32 type;
	u32 protocol;
};

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*ktime)(void) = (void *)5;
static u32 (*random)(void) = (void *)7;
static u64 (*socket_cookie)(void *ctx) = (void *)46;
static u64 (*netns_cookie)(void *ctx) = (void *)122;
static long (*set_retval)(int retval) = (void *)187;

enum { HASH = 1, LRU_HASH = 9, LRU_PERCPU_HASH = 10, NO_PREALLOC = 1 };
enum { TCP = 6, UDP = 17 };
enum { REFUSE = 0, PASS = 1 };
#define ECONNREFUSED 111
#define MAPPED 0xffff0000 /* the third word of ::ffff:a.b.c.d, on a little-endian machine */
#define SECOND 1000000000ull

struct map {
	u32 type, key_size, value_size, max_entries, flags;
};

struct frontend {
	u32 address[4];
	u16 port;
	u8 protocol;
	u8 zero;
};

/* `affinity`: seconds that a client stays with its endpoint, 0: none. Clients of before `since` (CLOCK_MONOTONIC, in
 * nanoseconds) are not known. `service`: what all frontends with the same clients have in common. */
struct aim {
	u64 since;
	u32 set, count, affinity;
	struct frontend service;
};

struct slot {
	u32 set, number;
};

struct endpoint {
	u32 address[4];
	u16 port;
	u16 zero;
};

struct member {
	u32 set;
	struct endpoint endpoint;
};

struct client {
	u64 netns;
	struct frontend service;
	u32 zero;
};

struct known {
	u64 last;
	struct endpoint endpoint;
	u32 zero;
};

struct flow {
	u64 socket;
	struct frontend frontend;
	u32 zero;
};

struct count {
	u64 dialled, refused;
};

struct peer {
	u64 socket;
	struct endpoint endpoint;
	u32 zero;
};

#define MAP(name, kind, key, value, most, how) \
	struct map name SECTION("maps") = {kind, sizeof(key), sizeof(value), most, how}

/* The proxy's: who is dialled, and who is meant. Their sizes are those that the proxy wants. */
MAP(frontends, HASH, struct frontend, struct aim, 1, NO_PREALLOC);
MAP(slots, HASH, struct slot, struct endpoint, 1, NO_PREALLOC);
MAP(members, HASH, struct member, u32, 1, NO_PREALLOC);
/* The programs' own: a client's endpoint; a datagram socket's endpoint at a frontend; where a socket believes to be
 * connected; and how many came, by service. The oldest make room. */
MAP(clients, LRU_HASH, struct client, struct known, 16384, 0);
MAP(flows, LRU_HASH, struct flow, struct endpoint, 8192, 0);
MAP(peers, LRU_HASH, struct peer, struct endpoint, 32768, 0);
MAP(counts, LRU_PERCPU_HASH, struct frontend, struct count, 16384, 0);

INLINE int is_member(u32 set, const struct endpoint *endpoint)
{
	struct member member = {set, *endpoint};

	return map_lookup(&members, &member) != 0;
}

/* One of the endpoints, each as often as the others. None: the proxy is changing them right now. */
INLINE int draw(const struct aim *aim, struct endpoint *to)
{
	struct slot slot = {aim->set, 0};
	struct endpoint *found;
	u32 count = aim->count;

	slot.number = random() % count;
	found = map_lookup(&slots, &slot);
	if (!found) {
		slot.number = 0;
		found = map_lookup(&slots, &slot);
	}
	if (!found)
		return 0;
	*to = *found;
	return 1;
}

/* Where the client went before, if that is not too long ago and still there; else somewhere. */
INLINE int stick(struct bpf_sock_addr *ctx, const struct aim *aim, struct endpoint *to)
{
	struct client client = {netns_cookie(ctx), aim->service, 0};
	struct known *known = map_lookup(&clients, &client), now = {};

	now.last = ktime();
	if (known && known->last >= aim->since && now.last - known->last < aim->affinity * SECOND &&
	    is_member(aim->set, &known->endpoint))
		now.endpoint = known->endpoint;
	else if (!draw(aim, &now.endpoint))
		return 0;
	map_update(&clients, &client, &now, 0);
	*to = now.endpoint;
	return 1;
}

INLINE void remember(u64 socket, const struct endpoint *to, const struct frontend *frontend)
{
	struct peer peer = {socket, *to, 0};
	struct endpoint asked = {{frontend->address[0], frontend->address[1], frontend->address[2], frontend->address[3]},
				 frontend->port, 0};
	struct endpoint *known = map_lookup(&peers, &peer);

	if (!known || known->address[3] != asked.address[3] || known->address[2] != asked.address[2] ||
	    known->address[1] != asked.address[1] || known->address[0] != asked.address[0] || known->port != asked.port)
		map_update(&peers, &peer, &asked, 0);
}

INLINE void count(const struct aim *aim, u64 dialled)
{
	struct frontend service = aim->service;
	struct count *known = map_lookup(&counts, &service), first = {dialled, 1 - dialled};

	if (!known) {
		map_update(&counts, &service, &first, 0);
		return;
	}
	known->dialled += dialled;
	known->refused += 1 - dialled;
}

INLINE int refuse(const struct aim *aim)
{
	count(aim, 0);
	set_retval(-ECONNREFUSED);
	return REFUSE;
}

/* A connection. `to` is changed where the frontend is known. */
INLINE int dial(struct bpf_sock_addr *ctx, struct frontend *frontend, struct endpoint *to)
{
	struct aim *aim = map_lookup(&frontends, frontend);

	if (!aim)
		return PASS;
	if (!aim->count)
		return refuse(aim);
	if (aim->affinity ? stick(ctx, aim, to) : draw(aim, to)) {
		remember(socket_cookie(ctx), to, frontend);
		count(aim, 1);
	}
	return PASS;
}

/* A datagram. All of one socket to one frontend go to the same endpoint as long as it is there. */
INLINE int post(struct bpf_sock_addr *ctx, struct frontend *frontend, struct endpoint *to)
{
	struct aim *aim = map_lookup(&frontends, frontend);
	struct flow flow = {0, *frontend, 0};
	struct endpoint *before;

	if (!aim)
		return PASS;
	if (!aim->count)
		return refuse(aim);
	flow.socket = socket_cookie(ctx);
	before = map_lookup(&flows, &flow);
	if (before && is_member(aim->set, before)) {
		*to = *before;
	} else {
		if (!draw(aim, to))
			return PASS;
		map_update(&flows, &flow, to, 0);
		count(aim, 1);
	}
	remember(flow.socket, to, frontend);
	return PASS;
}

/* Whom the socket believes to talk to, where that is a frontend. */
INLINE struct endpoint *asked(struct bpf_sock_addr *ctx, const struct endpoint *from)
{
	struct peer peer = {socket_cookie(ctx), *from, 0};

	return map_lookup(&peers, &peer);
}

#define FRONTEND4(ctx, protocol) \
	{{0, 0, MAPPED, ctx->user_ip4}, ctx->user_port, protocol, 0}
#define FRONTEND6(ctx, protocol) \
	{{ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]}, ctx->user_port, protocol, 0}

/* Written only where it is another: a store into the context is not for free, and most peers are no Service. */
INLINE void set4(struct bpf_sock_addr *ctx, const struct endpoint *to)
{
	ctx->user_ip4 = to->address[3];
	ctx->user_port = to->port;
}

INLINE void set6(struct bpf_sock_addr *ctx, const struct endpoint *to)
{
	ctx->user_ip6[0] = to->address[0];
	ctx->user_ip6[1] = to->address[1];
	ctx->user_ip6[2] = to->address[2];
	ctx->user_ip6[3] = to->address[3];
	ctx->user_port = to->port;
}

SECTION("cgroup/connect4") int connect4(struct bpf_sock_addr *ctx)
{
	struct frontend frontend = FRONTEND4(ctx, TCP);
	struct endpoint to = {};
	int verdict;

	if (ctx->protocol != TCP)
		return PASS;
	verdict = dial(ctx, &frontend, &to);
	if (to.port)
		set4(ctx, &to);
	return verdict;
}

SECTION("cgroup/connect6") int connect6(struct bpf_sock_addr *ctx)
{
	struct frontend frontend = FRONTEND6(ctx, TCP);
	struct endpoint to = {};
	int verdict;

	if (ctx->protocol != TCP)
		return PASS;
	verdict = dial(ctx, &frontend, &to);
	if (to.port)
		set6(ctx, &to);
	return verdict;
}

SECTION("cgroup/sendmsg4") int sendmsg4(struct bpf_sock_addr *ctx)
{
	struct frontend frontend = FRONTEND4(ctx, UDP);
	struct endpoint to = {};
	int verdict = post(ctx, &frontend, &to);

	if (to.port)
		set4(ctx, &to);
	return verdict;
}

SECTION("cgroup/sendmsg6") int sendmsg6(struct bpf_sock_addr *ctx)
{
	struct frontend frontend = FRONTEND6(ctx, UDP);
	struct endpoint to = {};
	int verdict = post(ctx, &frontend, &to);

	if (to.port)
		set6(ctx, &to);
	return verdict;
}

INLINE int name4(struct bpf_sock_addr *ctx)
{
	struct endpoint from = {{0, 0, MAPPED, ctx->user_ip4}, ctx->user_port, 0}, *name = asked(ctx, &from);

	if (name)
		set4(ctx, name);
	return PASS;
}

INLINE int name6(struct bpf_sock_addr *ctx)
{
	struct endpoint from = {{ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]},
				ctx->user_port, 0};
	struct endpoint *name = asked(ctx, &from);

	if (name)
		set6(ctx, name);
	return PASS;
}

SECTION("cgroup/recvmsg4") int recvmsg4(struct bpf_sock_addr *ctx) { return name4(ctx); }
SECTION("cgroup/recvmsg6") int recvmsg6(struct bpf_sock_addr *ctx) { return name6(ctx); }
SECTION("cgroup/getpeername4") int getpeername4(struct bpf_sock_addr *ctx) { return name4(ctx); }
SECTION("cgroup/getpeername6") int getpeername6(struct bpf_sock_addr *ctx) { return name6(ctx); }

char fairlead_license[] SECTION("license") = "Dual MIT/GPL";
