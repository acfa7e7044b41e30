/* Addresses, hosts and networks. Called by config_value, on the loading thread; a name look-up may block it.
 *
 * Names are looked up while the configuration loads, so that a wrong one stops the start with its place and not the
 * first request.
 */
#include "control/config_address.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>

#include "base/err.h"
#include "control/config_node.h"

enum {
    INHERITED_FIRST = 3, /* behind standard input, output and error */
    INHERITED_NAME_MAX = 64,
};

static const struct addrinfo *choose(const struct addrinfo *found)
{
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        if (info->ai_family == AF_INET)
            return info;
    }
    return found;
}

static int look_up(struct config_value *value, const struct config_address *address, struct sock_addr *ret_addr)
{
    if (value->sealed)
        return config_value_refuse(value, "\"%.*s\" is a name, and names are not looked up here",
                                   STR_ARG(config_shown(address->host)));
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(address->host.p, NULL, &hints, &found);
    if (status == EAI_MEMORY)
        return -ERR_NO_MEMORY;
    if (status != 0 || found == NULL)
        return config_value_refuse(value, "the name \"%.*s\" cannot be looked up: %s",
                                   STR_ARG(config_shown(address->host)), gai_strerror(status));
    const struct addrinfo *chosen = choose(found);
    struct sock_addr addr = {.len = chosen->ai_addrlen};
    memcpy(&addr.storage, chosen->ai_addr, chosen->ai_addrlen);
    freeaddrinfo(found);
    if (addr.storage.ss_family == AF_INET)
        ((struct sockaddr_in *)&addr.storage)->sin_port = htons(address->port);
    else
        ((struct sockaddr_in6 *)&addr.storage)->sin6_port = htons(address->port);
    *ret_addr = addr;
    return 0;
}

/* As systemd allows, but for blanks. */
static bool is_inherited_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ':')
            return false;
    return name.n > 0 && name.n <= INHERITED_NAME_MAX;
}

static bool is_number(struct str name)
{
    size_t digits = 0;

    while (digits < name.n && name.p[digits] >= '0' && name.p[digits] <= '9')
        digits++;
    return digits == name.n;
}

/* What it is bound to is seen when it is used. Until then it is known by its name, in the place of a Unix path: none of
 * those is like it, as they begin with /. */
static int inherited_parse(struct config_value *value, struct str text, struct config_address *ret_address)
{
    struct str name = str_slice(text.p + 3, text.n - 3);
    uint64_t number = INHERITED_FIRST;

    if (!is_inherited_name(name))
        return config_value_refuse(value,
                                   "\"%.*s\" is no inherited socket; write fd:3, or fd: and its name, of at most "
                                   "%d printable characters without colon",
                                   STR_ARG(config_shown(text)), INHERITED_NAME_MAX);
    if (is_number(name) && (str_parse_u64(name, INT_MAX, &number) != 0 || number < INHERITED_FIRST || name.p[0] == '0'))
        return config_value_refuse(
            value, "\"%.*s\" is no inherited socket: write the number of one, from %d on, without leading zeros",
            STR_ARG(config_shown(text)), INHERITED_FIRST);
    struct config_address address = {.text = config_text_copy(value->arena, text)};
    if (address.text.p == NULL)
        return -ERR_NO_MEMORY;
    address.inherited = str_slice(address.text.p + 3, name.n);
    address.host = address.path = str_slice(address.text.p + text.n, 0);
    struct sockaddr_un known = {.sun_family = AF_UNIX};
    memcpy(known.sun_path, address.text.p, address.text.n);
    memcpy(&address.addr.storage, &known, sizeof(known));
    address.addr.len = sock_addr_len(&address.addr.storage);
    *ret_address = address;
    return 0;
}

int config_address_parse(struct config_value *value, const struct directive *directive, struct str text,
                         struct config_address *ret_address)
{
    struct sock_name name;
    const char *why = "it is malformed";
    if (text.n == 0)
        return config_value_unexpected(value, directive, text, "");
    if (directive->words[0] != '\0' && str_starts(text, STR("fd:")))
        return inherited_parse(value, text, ret_address);
    if (sock_name_parse(text, str_of(directive->min), &name, &why) != 0)
        return config_value_refuse(value, "\"%.*s\" is no address: %s", STR_ARG(config_shown(text)), why);

    struct config_address address = {
        .text = config_text_copy(value->arena, text),
        .host = config_text_copy(value->arena, name.host),
        .path = config_text_copy(value->arena, name.path),
        .port = name.port,
    };
    if (address.text.p == NULL || address.host.p == NULL || address.path.p == NULL)
        return -ERR_NO_MEMORY;
    int result = sock_addr_numeric(&name, &address.addr);
    if (result == -ERR_NAME_NOT_FOUND)
        result = look_up(value, &address, &address.addr);
    else if (result != 0)
        result = config_value_refuse(value, "\"%.*s\" is no address that can be used", STR_ARG(config_shown(text)));
    if (result == 0)
        *ret_address = address;
    return result;
}

/* Labels of letters, digits, - and _, with a dot between them (RFC 1123 section 2.1, and _ because it is used). */
static bool is_host_name(struct str text)
{
    size_t label = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = str_lower(text.p[i]);
        if (c == '.' && label > 0)
            label = 0;
        else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
            label++;
        else
            return false;
    }
    return label > 0 && text.n <= 253;
}

static bool is_host(struct str text)
{
    struct in6_addr unused;
    char inner[INET6_ADDRSTRLEN];
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']' && text.n - 2 < sizeof(inner)) {
        memcpy(inner, text.p + 1, text.n - 2);
        inner[text.n - 2] = '\0';
        return inet_pton(AF_INET6, inner, &unused) == 1;
    }
    if (str_starts(text, STR("*.")))
        text = str_slice(text.p + 2, text.n - 2);
    return is_host_name(text);
}

int config_address_host(struct config_value *value, const struct directive *directive, struct str text,
                        struct str *ret_host)
{
    if (!is_host(text)) {
        bool port = text.n > 0 && text.p[0] != '[' && str_find(text, ':') < text.n;
        return config_value_unexpected(value, directive, text, port ? "has a colon (a port?)" : "is no host name");
    }
    struct str copy = config_text_copy(value->arena, text);
    if (copy.p == NULL)
        return -ERR_NO_MEMORY;
    char *lower = (char *)(uintptr_t)copy.p; /* just made here */
    for (size_t i = 0; i < copy.n; i++)
        lower[i] = str_lower(lower[i]);
    *ret_host = copy;
    return 0;
}

static bool bits_clear_behind(const struct config_network *network)
{
    unsigned all = network->v6 ? 128 : 32;
    for (unsigned bit = network->bits; bit < all; bit++) {
        if (network->bytes[bit / 8] & (0x80U >> (bit % 8)))
            return false;
    }
    return true;
}

static int refuse_bits(struct config_value *value, struct config_network *network, struct str text)
{
    for (unsigned bit = network->bits; bit < (network->v6 ? 128U : 32U); bit++)
        network->bytes[bit / 8] &= (uint8_t) ~(0x80U >> (bit % 8));
    char out[INET6_ADDRSTRLEN];
    (void)inet_ntop(network->v6 ? AF_INET6 : AF_INET, network->bytes, out, sizeof(out));
    return config_value_refuse(value, "\"%.*s\" has bits behind its prefix; write %s/%u", STR_ARG(config_shown(text)),
                               out, (unsigned)network->bits);
}

int config_address_network(struct config_value *value, struct str text, struct config_network *ret_network)
{
    struct config_network network = {0};
    char host[INET6_ADDRSTRLEN];
    size_t slash = str_find(text, '/');
    uint64_t bits = 0;
    bool known = slash > 0 && slash < sizeof(host);
    if (str_eq(text, STR("unix"))) {
        *ret_network = (struct config_network){.local = true};
        return 0;
    }
    if (known) {
        memcpy(host, text.p, slash);
        host[slash] = '\0';
        network.v6 = strchr(host, ':') != NULL;
        known = inet_pton(network.v6 ? AF_INET6 : AF_INET, host, network.bytes) == 1;
    }
    unsigned all = network.v6 ? 128 : 32;
    if (!known)
        return config_value_refuse(value,
                                   "\"%.*s\" is no network; expected one such as 10.0.0.0/8 or fd00::/8, or unix",
                                   STR_ARG(config_shown(text)));
    if (slash == text.n)
        bits = all;
    else if (str_parse_u64(str_slice(text.p + slash + 1, text.n - slash - 1), all, &bits) != 0)
        return config_value_refuse(value, "\"%.*s\" has a wrong prefix; expected 0 to %u behind the /",
                                   STR_ARG(config_shown(text)), all);
    network.bits = (uint8_t)bits;
    if (!bits_clear_behind(&network))
        return refuse_bits(value, &network, text);
    *ret_network = network;
    return 0;
}
