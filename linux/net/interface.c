/* netdevice(7): the ioctls that tell of the sub-kernel's links and set them. See interface.h. */
#include "interface.h"

enum {
	SIOCADDRT = 0x890b,
	SIOCDELRT,
	SIOCRTMSG,
	SIOCGIFNAME = 0x8910,
	SIOCGIFCONF = 0x8912,
	SIOCGIFFLAGS,
	SIOCSIFFLAGS,
	SIOCGIFADDR,
	SIOCSIFADDR,
	SIOCGIFDSTADDR,
	SIOCGIFBRDADDR = 0x8919,
	SIOCGIFNETMASK = 0x891b,
	SIOCSIFNETMASK,
	SIOCGIFMETRIC,
	SIOCGIFMTU = 0x8921,
	SIOCGIFHWADDR = 0x8927,
	SIOCGIFINDEX = 0x8933,
	SIOCGIFTXQLEN = 0x8942,
	SIOCETHTOOL = 0x8946,
	SIOCGIFMAP = 0x8970,
	SIOCSHWTSTAMP = 0x89b0,
};
#define IFREQ_BYTES 40u
enum { NOT_ALONE = 1 };

struct request {
	char name[INTERFACE_NAME_BYTES];
	union {
		struct {
			uint16_t family;
			uint8_t port[2], address[4], zero[8];
		} address;
		struct {
			uint16_t family;
			uint8_t bytes[14];
		} hardware;
		int32_t number;
		int16_t flags;
		uint8_t bytes[24];
	};
};
_Static_assert(sizeof(struct request) == IFREQ_BYTES, "struct ifreq");

/* The index in the table of links of NAME, which may have ":LABEL" behind it; -1: none. */
static int find_name(const char name[INTERFACE_NAME_BYTES])
{
	struct net_link_info info;
	size_t length = 0;
	while (length < INTERFACE_NAME_BYTES && name[length] && name[length] != ':')
		length++;
	for (uint32_t i = 0; net_link_info(stack_get(), i, &info); i++)
		if (strlen(info.name) == length && memcmp(info.name, name, length) == 0)
			return (int)i;
	return -1;
}

/* The first IPv4 address of the link with index INDEX. */
static bool first_ipv4(uint32_t index, struct net_address_info *info)
{
	for (uint32_t at = 0; net_address_info(stack_get(), index, at, info); at++)
		if (net_is_ipv4(&info->address))
			return true;
	return false;
}

static void request_address(struct request *request, const uint8_t address[4])
{
	memset(request->bytes, 0, sizeof(request->bytes));
	request->address.family = AF_INET;
	memcpy(request->address.address, address, 4);
}

/* ADDRESS, with the bits behind the prefix set (BROADCAST), or the prefix's mask. */
static void derived(const struct net_address_info *info, bool broadcast, uint8_t to[4])
{
	for (unsigned bit = 0; bit < 32; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);
		bool inside = bit < info->length;
		bool set = broadcast ? !inside || (info->address.bytes[12 + bit / 8] & mask) : inside;
		to[bit / 8] = (uint8_t)(set ? to[bit / 8] | mask : to[bit / 8] & ~mask);
	}
}

static int64_t tell_address(uint32_t command, uint32_t index, struct request *request)
{
	struct net_address_info info;
	uint8_t address[4] = {0};
	if (!first_ipv4(index, &info))
		return -EADDRNOTAVAIL;
	if (command == SIOCGIFBRDADDR || command == SIOCGIFNETMASK)
		derived(&info, command == SIOCGIFBRDADDR, address);
	else
		memcpy(address, info.address.bytes + 12, 4);
	request_address(request, address);
	return 0;
}

static int64_t tell(uint32_t command, uint32_t index, const struct net_link_info *info,
                    struct request *request)
{
	switch (command) {
	case SIOCGIFFLAGS:
		request->flags = (int16_t)interface_flags(info);
		return 0;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
		return tell_address(command, index, request);
	case SIOCGIFMETRIC:
		request->number = 0;
		return 0;
	case SIOCGIFMTU:
		request->number = (int32_t)info->mtu;
		return 0;
	case SIOCGIFHWADDR:
		memset(request->bytes, 0, sizeof(request->bytes));
		request->hardware.family = info->kind == NET_LINK_LOOPBACK ? 772 : 1;
		memcpy(request->hardware.bytes, info->mac, 6);
		return 0;
	case SIOCGIFINDEX:
		request->number = (int32_t)info->number;
		return 0;
	case SIOCGIFTXQLEN:
		request->number = 1000;
		return 0;
	case SIOCGIFMAP:
		memset(request->bytes, 0, sizeof(request->bytes));
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* Sets the link's first IPv4 address, or its prefix's length. */
static int64_t set_address(uint32_t command, uint32_t index, struct net_link *link,
                           const struct request *request)
{
	struct net_address_info old;
	bool had = first_ipv4(index, &old);
	struct net_address address = net_ipv4(request->address.address);
	unsigned length = 24;
	if (command == SIOCSIFNETMASK) {
		if (!had)
			return -EADDRNOTAVAIL;
		for (length = 0; length < 32 && (address.bytes[12 + length / 8] >> (7 - length % 8) & 1);)
			length++;
		address = old.address;
	}
	if (had)
		(void)net_address_remove(link, &old.address); /* it is there: just seen */
	return net_address_add(link, &address, length);
}

/* Fills the array of a struct ifconf. */
static int64_t list_addresses(uint64_t argument)
{
	struct {
		int32_t bytes, pad;
		uint64_t address;
	} list;
	struct net_link_info link;
	struct net_address_info info;
	int32_t used = 0;
	if (copy_from_user(&list, argument, sizeof(list)))
		return -EFAULT;
	for (uint32_t i = 0; net_link_info(stack_get(), i, &link); i++) {
		struct request one = {.name = {0}};
		if (!first_ipv4(i, &info))
			continue;
		memcpy(one.name, link.name, INTERFACE_NAME_BYTES);
		request_address(&one, info.address.bytes + 12);
		if (list.address && used + (int32_t)sizeof(one) > list.bytes)
			break;
		if (list.address && copy_to_user(list.address + (uint32_t)used, &one, sizeof(one)))
			return -EFAULT;
		used += (int32_t)sizeof(one);
	}
	list.bytes = used;
	return copy_to_user(argument, &list, sizeof(list));
}

static bool name_of(uint32_t number, char name[INTERFACE_NAME_BYTES])
{
	struct net_link_info info;
	for (uint32_t i = 0; net_link_info(stack_get(), i, &info); i++) {
		if (info.number != number)
			continue;
		memcpy(name, info.name, INTERFACE_NAME_BYTES);
		return true;
	}
	return false;
}

bool interface_name(struct net_namespace *net, uint32_t number, char name[INTERFACE_NAME_BYTES])
{
	if (!stack_start(net))
		return false;
	stack_begin(net);
	bool found = name_of(number, name);
	stack_end();
	return found;
}

uint32_t interface_index(struct net_namespace *net, const char name[INTERFACE_NAME_BYTES])
{
	struct net_link_info info = {.number = 0};
	if (!stack_start(net))
		return 0;
	stack_begin(net);
	int index = find_name(name);
	if (index >= 0)
		net_link_info(stack_get(), (uint32_t)index, &info);
	stack_end();
	return info.number;
}

static int64_t run(uint32_t command, struct request *request)
{
	struct net_link_info info;
	if (command == SIOCGIFNAME)
		return name_of((uint32_t)request->number, request->name) ? 0 : -ENODEV;
	int index = find_name(request->name);
	if (index < 0)
		return -ENODEV;
	net_link_info(stack_get(), (uint32_t)index, &info);
	struct net_link *link = net_link_numbered(stack_get(), info.number);
	if (command == SIOCSIFFLAGS) {
		stack_set_up(link, request->flags & 1);
		return 0;
	}
	if (command == SIOCSIFADDR || command == SIOCSIFNETMASK)
		return set_address(command, (uint32_t)index, link, request);
	return tell(command, (uint32_t)index, &info, request);
}

/* What is refused, as on Linux where the drivers and protocols that know it are not there; LINK: behind a look for the link. */
static const struct refused {
	uint16_t first, last;
	bool link;
	int16_t error;
} refusals[] = {
    {0x8905, 0x8905, false, -ENOTTY},       /* SIOCATMARK: of streams */
    {0x8911, 0x8911, false, -ENOTTY},       /* SIOCSIFLINK */
    {0x8918, 0x8918, false, -EINVAL},       /* SIOCSIFDSTADDR: the family is none that could */
    {0x891a, 0x891a, false, -EINVAL},       /* SIOCSIFBRDADDR */
    {0x891f, 0x8920, false, -ENOTTY},       /* SIOCGIFMEM, SIOCSIFMEM */
    {0x8923, 0x8924, true, -EINVAL},        /* SIOCSIFNAME, SIOCSIFHWADDR: of one that is up */
    {0x8925, 0x8926, false, -ENOTTY},       /* SIOCGIFENCAP, SIOCSIFENCAP */
    {0x8929, 0x8929, true, -EINVAL},        /* SIOCGIFSLAVE */
    {0x8930, 0x8932, true, -EINVAL},        /* SIOCSIFSLAVE, SIOCADDMULTI, SIOCDELMULTI */
    {0x8934, 0x8935, false, -EINVAL},       /* SIOCSIFPFLAGS, SIOCGIFPFLAGS */
    {0x8936, 0x8936, false, -ENOTTY},       /* SIOCDIFADDR */
    {0x8937, 0x8937, true, -EINVAL},        /* SIOCSIFHWBROADCAST */
    {0x8938, 0x8938, false, -ENOTTY},       /* SIOCGIFCOUNT */
    {0x894b, 0x894b, false, -ENOTTY},       /* SIOCOUTQNSD: of streams */
    {0x8953, 0x8955, false, -EPFNOSUPPORT}, /* SIOCDARP, SIOCGARP, SIOCSARP */
    {0x8960, 0x8962, false, -ENOTTY},       /* SIOCDRARP, SIOCGRARP, SIOCSRARP */
    {0x8971, 0x8971, true, -EOPNOTSUPP},    /* SIOCSIFMAP */
    {0x8980, 0x8981, false, -ENOTTY},       /* SIOCADDDLCI, SIOCDELDLCI */
    {0x8990, 0x8995, true, -EOPNOTSUPP},    /* SIOCBONDENSLAVE... */
    {0x89b1, 0x89b1, true, -EOPNOTSUPP},    /* SIOCGHWTSTAMP */
};

static bool link_named(struct net_namespace *net, const struct request *request)
{
	stack_begin(net);
	bool there = find_name(request->name) >= 0;
	stack_end();
	return there;
}

static int64_t refuse(struct net_namespace *net, const struct refused *refused, uint64_t argument)
{
	struct request request;
	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	return refused->link && !link_named(net, &request) ? -ENODEV : refused->error;
}

/* Requests whose ifr_data is looked at, or that no link answers; NOT_ALONE: none of them. */
static int64_t answer_alone(struct net_namespace *net, uint32_t command, uint64_t argument)
{
	struct request request;
	uint64_t data;
	uint32_t word;
	switch (command) {
	case 0x8940: /* SIOCGIFBR, SIOCSIFBR: no bridges, and no VLANs */
	case 0x8941:
	case 0x8982: /* SIOCGIFVLAN, SIOCSIFVLAN */
	case 0x8983:
	case 0x89a0: /* SIOCBRADDBR, SIOCBRDELBR, SIOCBRADDIF, SIOCBRDELIF */
	case 0x89a1:
	case 0x89a2:
	case 0x89a3:
		return -ENOPKG;
	case SIOCRTMSG:
		return -EINVAL;
	case SIOCADDRT: /* by rtnetlink only */
	case SIOCDELRT: {
		uint16_t family; /* of rt_dst */
		if (copy_from_user(&family, argument + 8, sizeof(family)))
			return -EFAULT;
		return family == AF_INET ? -EOPNOTSUPP : -EAFNOSUPPORT;
	}
	case SIOCETHTOOL:
	case SIOCSHWTSTAMP:
		if (copy_from_user(&request, argument, sizeof(request)))
			return -EFAULT;
		memcpy(&data, request.bytes, sizeof(data));
		bool there = link_named(net, &request);
		if (command == SIOCSHWTSTAMP && !there)
			return -ENODEV;
		if (get_user_u32(&word, data))
			return -EFAULT;
		return there ? -EOPNOTSUPP : -ENODEV;
	default:
		return NOT_ALONE;
	}
}

int64_t interface_ioctl(struct net_namespace *net, uint32_t command, uint64_t argument)
{
	struct request request;
	bool sets = command == SIOCSIFFLAGS || command == SIOCSIFADDR || command == SIOCSIFNETMASK;
	if ((command & 0xff00) != 0x8900)
		return -ENOTTY;
	if (!stack_start(net))
		return -ENOMEM;
	int64_t answer = answer_alone(net, command, argument);
	if (answer != NOT_ALONE)
		return answer;
	for (uint32_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (command >= refusals[i].first && command <= refusals[i].last)
			return refuse(net, &refusals[i], argument);
	if (command == SIOCGIFCONF) {
		stack_begin(net);
		int64_t result = list_addresses(argument);
		stack_end();
		return result;
	}
	if (command < SIOCGIFNAME || command > SIOCGIFMAP)
		return -ENOTTY;
	if (sets && !net_capable(net, CAP_NET_ADMIN))
		return -EPERM;
	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	if ((command == SIOCSIFADDR || command == SIOCSIFNETMASK) && request.address.family != AF_INET)
		return -EINVAL;
	stack_begin(net);
	int64_t error = run(command, &request);
	stack_end();
	return error ? error : copy_to_user(argument, &request, sizeof(request));
}
