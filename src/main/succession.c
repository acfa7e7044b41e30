/* Written and read by two versions of the program, so that each line begins with a word, and lines that are not known
 * are skipped. Called by the keeper. */
#include "main/succession.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"

enum { WIDTH_MAX = 4096 }; /* more threads than any version has */

#define FIRST_LINE "ballast-succession 1\n"

/* ---- keys of tickets ---- */

static bool has_own_keys(const struct config_listener *listener)
{
    return listener->tls.ticket_keys.path.n > 0 || !listener->tls.ticket_keys.bytes.p;
}

/* start-up only: as all here, once an upgrade. */
int succession_note_keys(struct succession *succession, const struct config *config)
{
    size_t count = config ? config->listeners.count : 0;

    succession->keys = calloc(count + 1, sizeof(*succession->keys));
    if (!succession->keys)
        return -ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct config_listener *listener = &config->listeners.items[i];
        if (has_own_keys(listener))
            continue;
        struct succession_keys *keys = &succession->keys[succession->key_count++];
        keys->addr = listener->address.addr;
        memcpy(keys->bytes, listener->tls.ticket_keys.bytes.p, sizeof(keys->bytes));
    }
    return 0;
}

void succession_give_keys(const struct succession *succession, struct config *config)
{
    for (size_t i = 0; i < config->listeners.count; i++) {
        struct config_listener *listener = &config->listeners.items[i];
        for (uint32_t k = 0; k < succession->key_count; k++)
            if (!has_own_keys(listener) &&
                sock_addr_equal(&succession->keys[k].addr.storage, &listener->address.addr.storage))
                memcpy((char *)(uintptr_t)listener->tls.ticket_keys.bytes.p, succession->keys[k].bytes,
                       TLS_TICKET_KEY_BYTES);
    }
}

/* ---- writing ---- */

static void put_hex(FILE *out, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    fputc(' ', out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%02x", at[i]);
    if (n == 0)
        fputc('-', out);
}

static void put_addr(FILE *out, const struct sock_addr *addr)
{
    put_hex(out, &addr->storage, addr->len);
    fprintf(out, " %d", addr->dual_stack);
}

static void put_listener(FILE *out, const struct keeper_sockets *sockets, uint32_t listener)
{
    const struct unix_file *file = &sockets->files[listener];

    fprintf(out, "listener");
    put_addr(out, &sockets->addrs[listener]);
    put_hex(out, file->path, strlen(file->path));
    fprintf(out, " %llu %llu", (unsigned long long)file->device, (unsigned long long)file->inode);
    for (uint32_t i = 0; i < sockets->width; i++)
        fprintf(out, " %d", sockets->fds[(size_t)listener * sockets->width + i]);
    fputc('\n', out);
}

static void put_all(FILE *out, const struct succession *succession)
{
    fprintf(out, FIRST_LINE "before %s %u\nserver %d %d\n", succession->version, succession->number, succession->server,
            succession->link);
    if (succession->admin_fd >= 0) {
        fprintf(out, "admin %d", succession->admin_fd);
        put_addr(out, &succession->admin_addr);
        fputc('\n', out);
    }
    fprintf(out, "listeners %u %u\n", succession->sockets.listeners, succession->sockets.width);
    for (uint32_t i = 0; i < succession->sockets.listeners; i++)
        put_listener(out, &succession->sockets, i);
    for (uint32_t i = 0; i < succession->key_count; i++) {
        fprintf(out, "keys");
        put_addr(out, &succession->keys[i].addr);
        put_hex(out, succession->keys[i].bytes, TLS_TICKET_KEY_BYTES);
        fputc('\n', out);
    }
}

int succession_write(const struct succession *succession)
{
    int fd = memfd_create("ballast-succession", MFD_CLOEXEC);
    int other = fd < 0 ? -1 : dup(fd);
    FILE *out = other < 0 ? NULL : fdopen(other, "w");

    if (!out) {
        int code = err_from_errno(errno);
        if (other >= 0)
            close(other);
        if (fd >= 0)
            close(fd);
        return code;
    }
    put_all(out, succession);
    if (fclose(out) != 0) {
        close(fd);
        return -ERR_NO_MEMORY;
    }
    return fd;
}

static void keep_one(int fd, bool kept)
{
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, kept ? 0 : FD_CLOEXEC);
}

void succession_keep(const struct succession *succession, bool kept)
{
    const struct keeper_sockets *sockets = &succession->sockets;

    keep_one(succession->link, kept);
    keep_one(succession->admin_fd, kept);
    for (size_t i = 0; i < (size_t)sockets->listeners * sockets->width; i++)
        keep_one(sockets->fds[i], kept);
}

/* ---- reading ---- */

/* The next word of a line; "" at its end. */
static const char *next_word(char **at)
{
    const char *word = strsep(at, " \n");

    return word ? word : "";
}

static uint64_t next_number(char **at)
{
    uint64_t number = 0;

    return str_parse_u64(str_of(next_word(at)), UINT64_MAX, &number) ? 0 : number;
}

static int next_fd(char **at)
{
    uint64_t number;

    return str_parse_u64(str_of(next_word(at)), INT32_MAX, &number) ? -1 : (int)number;
}

/* How many bytes it was; 0: none, or more than there is room for. */
static size_t next_hex(char **at, void *out, size_t room)
{
    const char *word = next_word(at);
    size_t n = strlen(word) / 2;
    unsigned char *bytes = out;

    if (n > room)
        return 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t byte;
        if (str_parse_hex(str_slice(word + 2 * i, 2), 255, &byte))
            return 0;
        bytes[i] = (unsigned char)byte;
    }
    return n;
}

static void next_addr(char **at, struct sock_addr *ret_addr)
{
    *ret_addr = (struct sock_addr){.len = 0};
    ret_addr->len = (socklen_t)next_hex(at, &ret_addr->storage, sizeof(ret_addr->storage));
    ret_addr->dual_stack = next_number(at) > 0;
}

static int read_room(char **at, struct succession *succession, uint32_t *ret_room)
{
    uint64_t count = next_number(at), width = next_number(at);

    if (succession->sockets.fds || count > CONFIG_LISTENERS_MAX || width > WIDTH_MAX)
        return -ERR_CONFIG;
    *ret_room = (uint32_t)count;
    return keeper_sockets_create((uint32_t)count, (uint32_t)width, &succession->sockets);
}

static int read_listener(char **at, struct succession *succession, uint32_t room)
{
    struct keeper_sockets *sockets = &succession->sockets;
    uint32_t i = sockets->listeners;

    if (i >= room)
        return -ERR_CONFIG;
    struct unix_file *file = &sockets->files[i];
    next_addr(at, &sockets->addrs[i]);
    file->path[next_hex(at, file->path, sizeof(file->path) - 1)] = '\0';
    file->device = (dev_t)next_number(at);
    file->inode = (ino_t)next_number(at);
    for (uint32_t k = 0; k < sockets->width; k++)
        sockets->fds[(size_t)i * sockets->width + k] = next_fd(at);
    sockets->listeners++;
    return 0;
}

static int read_keys(char **at, struct succession *succession)
{
    struct succession_keys *more =
        reallocarray(succession->keys, succession->key_count + 1, sizeof(*more)); /* start-up only: see above */

    if (!more)
        return -ERR_NO_MEMORY;
    succession->keys = more;
    next_addr(at, &more[succession->key_count].addr);
    if (next_hex(at, more[succession->key_count].bytes, TLS_TICKET_KEY_BYTES) == TLS_TICKET_KEY_BYTES)
        succession->key_count++;
    return 0;
}

static int read_line(char *line, struct succession *succession, uint32_t *room)
{
    const char *word = next_word(&line);

    if (strcmp(word, "before") == 0) {
        (void)snprintf(succession->version, sizeof(succession->version), "%s", next_word(&line));
        succession->number = (uint32_t)next_number(&line);
    } else if (strcmp(word, "server") == 0) {
        succession->server = (pid_t)next_number(&line);
        succession->link = next_fd(&line);
    } else if (strcmp(word, "admin") == 0) {
        succession->admin_fd = next_fd(&line);
        next_addr(&line, &succession->admin_addr);
    } else if (strcmp(word, "listeners") == 0) {
        return read_room(&line, succession, room);
    } else if (strcmp(word, "listener") == 0) {
        return read_listener(&line, succession, *room);
    } else if (strcmp(word, "keys") == 0) {
        return read_keys(&line, succession);
    }
    return 0;
}

static int read_lines(FILE *in, struct succession *succession)
{
    char *line = NULL;
    size_t bytes = 0;
    uint32_t room = 0;
    int error = getline(&line, &bytes, in) > 0 && strcmp(line, FIRST_LINE) == 0 ? 0 : -ERR_CONFIG;

    while (!error && getline(&line, &bytes, in) > 0)
        error = read_line(line, succession, &room);
    free(line); /* start-up only: getline took it from malloc */
    return error;
}

int succession_read(int fd, struct succession *ret_succession)
{
    *ret_succession = (struct succession){.link = -1, .admin_fd = -1};
    FILE *in = lseek(fd, 0, SEEK_SET) == 0 ? fdopen(fd, "r") : NULL;
    if (!in)
        return -ERR_CONFIG;
    int error = read_lines(in, ret_succession);
    (void)fclose(in);
    if (!error && (ret_succession->server <= 0 || ret_succession->link < 0))
        error = -ERR_CONFIG;
    if (error)
        succession_free(ret_succession);
    else
        succession_keep(ret_succession, false);
    return error;
}

void succession_free(struct succession *succession)
{
    keeper_sockets_free(&succession->sockets);
    free(succession->keys); /* start-up only: see succession_note_keys */
    succession->keys = NULL;
}
