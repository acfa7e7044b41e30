/* Pools and their workers are copied, all else is the file's. What was added is read by the reader of files, so that
 * there is one set of rules and one kind of words. Called by control/reload. */
#include "control/overlay.h"

#include <stdio.h>
#include <stdlib.h>

#include "control/config_check.h"
#include "control/config_node.h"
#include "control/config_read.h"

enum { BYTES_MAX = 1 << 30, WEIGHT_TEXT_MAX = 12 };

static void say(char why[OVERLAY_WHY_MAX], const char *sentence)
{
    (void)snprintf(why, OVERLAY_WHY_MAX, "%s", sentence);
}

/* ---- one worker ---- */

static struct config_node *settings_node(const struct overlay_setting *settings, size_t count, struct arena *arena)
{
    struct config_place place = {"worker", 0, 0};
    struct config_node *map = config_node_create(arena, CONFIG_NODE_MAP, &place);

    for (size_t i = 0; i < count && map; i++) {
        place.file = settings[i].key;
        struct config_node *node = config_node_create(arena, CONFIG_NODE_TEXT, &place);
        if (!node)
            return NULL;
        node->key = str_of(settings[i].key);
        node->text = str_of(settings[i].text);
        config_node_append(map, node);
    }
    return map;
}

/* The first of them, if any is there. */
static int judge(const struct config_errors *errors, char why[OVERLAY_WHY_MAX])
{
    for (size_t i = 0; i < errors->count; i++) {
        if (errors->items[i].warning)
            continue;
        say(why, errors->items[i].text.p);
        return -ERR_CONFIG;
    }
    return 0;
}

int overlay_worker(const struct overlay_setting *settings, size_t count, struct arena *arena,
                   struct config_worker *ret_worker, char why[OVERLAY_WHY_MAX])
{
    struct config_node *node = settings_node(settings, count, arena);
    struct config_errors errors;

    if (!node)
        return -ERR_NO_MEMORY;
    config_errors_init(&errors);
    int error = config_read_worker(ret_worker, &errors, arena, node);
    if (!error)
        error = judge(&errors, why);
    config_errors_fini(&errors);
    return error;
}

static int added_worker(const struct change *change, struct arena *arena, struct config_worker *ret_worker,
                        char why[OVERLAY_WHY_MAX])
{
    char weight[WEIGHT_TEXT_MAX];
    struct overlay_setting settings[3] = {{"address", change->address}, {"weight", weight}, {"name", change->name}};

    (void)snprintf(weight, sizeof(weight), "%u", change->weight);
    return overlay_worker(settings, change->name[0] ? 3 : 2, arena, ret_worker, why);
}

/* ---- both together ---- */

static size_t added_to(const struct changes *changes, struct str pool)
{
    size_t count = 0;

    for (size_t i = 0; i < changes->count; i++)
        count += changes->items[i].kind == CHANGE_ADDED && str_eq(str_of(changes->items[i].pool), pool);
    return count;
}

static void copy_workers(const struct config_pool *from, const struct changes *changes, struct config_workers *to)
{
    for (size_t i = 0; i < from->workers.count; i++) {
        struct config_worker worker = from->workers.items[i];
        const struct change *change = changes_find(changes, from->name, worker.address.text, &worker.address.addr);
        if (change && change->kind == CHANGE_REMOVED)
            continue;
        worker.weight_change = change && change->kind == CHANGE_SET ? change->weight : 0;
        if (!worker.named)
            worker.name = STR(""); /* it follows from who else is there */
        to->items[to->count++] = worker;
    }
}

static int fill_pool(const struct config_pool *from, const struct changes *changes, struct arena *arena,
                     struct config_pool *to, char why[OVERLAY_WHY_MAX])
{
    size_t room = from->workers.count + added_to(changes, from->name);
    int error = 0;

    to->workers = (struct config_workers){arena_take(arena, room * sizeof(*to->workers.items)), 0};
    if (!to->workers.items)
        return -ERR_NO_MEMORY;
    copy_workers(from, changes, &to->workers);
    for (size_t i = 0; i < changes->count && !error; i++) {
        const struct change *change = &changes->items[i];
        if (change->kind == CHANGE_ADDED && str_eq(str_of(change->pool), from->name))
            error = added_worker(change, arena, &to->workers.items[to->workers.count++], why);
    }
    if (!error && to->workers.count == 0) {
        (void)snprintf(why, OVERLAY_WHY_MAX, "the pool \"%.*s\" would have no worker", STR_ARG(from->name));
        error = -ERR_CONFIG;
    }
    return error;
}

static int check(struct config *made, char why[OVERLAY_WHY_MAX])
{
    struct config_errors errors;
    struct arena scratch;

    config_errors_init(&errors);
    arena_init(&scratch, BYTES_MAX);
    int error = config_check_workers(made, &errors, &scratch);
    if (!error)
        error = judge(&errors, why);
    arena_fini(&scratch);
    config_errors_fini(&errors);
    return error;
}

static int make(const struct config *file, const struct changes *changes, struct config **ret_made,
                char why[OVERLAY_WHY_MAX])
{
    struct arena arena;

    arena_init(&arena, BYTES_MAX);
    struct config *made = arena_take(&arena, sizeof(*made));
    struct config_pool *pools = arena_take(&arena, file->pools.count * sizeof(*pools));
    int error = made && pools ? 0 : -ERR_NO_MEMORY;
    for (size_t i = 0; i < file->pools.count && !error; i++) {
        pools[i] = file->pools.items[i];
        error = fill_pool(&file->pools.items[i], changes, &arena, &pools[i], why);
    }
    if (error) {
        arena_fini(&arena);
        return error;
    }
    *made = *file;
    made->pools.items = pools;
    made->arena = arena;
    error = check(made, why);
    if (error)
        config_destroy(&made);
    else
        *ret_made = made;
    return error;
}

int overlay_make(const struct config *file, struct changes *changes, struct overlay *ret_overlay,
                 char why[OVERLAY_WHY_MAX])
{
    struct overlay overlay = {.config = file, .changes = *changes};
    int error = changes->count ? make(file, changes, &overlay.made, why) : 0;

    *changes = (struct changes){.items = NULL};
    if (error) {
        changes_fini(&overlay.changes);
        return error;
    }
    if (overlay.made)
        overlay.config = overlay.made;
    *ret_overlay = overlay;
    return 0;
}

void overlay_fini(struct overlay *overlay)
{
    config_destroy(&overlay->made);
    changes_fini(&overlay->changes);
    overlay->config = NULL;
}

/* ---- another file ---- */

static bool has_pool(const struct config *file, const struct change *change)
{
    size_t i = 0;

    while (i < file->pools.count && !str_eq(file->pools.items[i].name, str_of(change->pool)))
        i++;
    return i < file->pools.count;
}

/* The workers of a file's pools, in its order. */
struct file_workers {
    const struct config *file;
    struct file_worker {
        const struct config_pool *pool;
        const struct config_worker *worker;
    } * items;
    struct worker_index index;
};

static struct worker_key key_of_worker(const void *list, uint32_t number)
{
    const struct file_worker *at = &((const struct file_workers *)list)->items[number];

    return (struct worker_key){at->pool->name, at->worker->address.text, &at->worker->address.addr};
}

/* not per request: once a reload. */
static void file_workers_fini(struct file_workers *workers)
{
    free(workers->items);
    worker_index_fini(&workers->index);
}

/* not per request: once a reload. */
static int file_workers_init(struct file_workers *workers, const struct config *file)
{
    uint32_t count = 0;

    *workers = (struct file_workers){.file = file};
    workers->items = calloc(file->worker_count + 1, sizeof(*workers->items));
    int error = workers->items ? worker_index_reserve(&workers->index, file->worker_count) : -ERR_NO_MEMORY;
    if (error) {
        file_workers_fini(workers);
        return error;
    }
    for (size_t p = 0; p < file->pools.count; p++)
        for (size_t w = 0; w < file->pools.items[p].workers.count; w++) {
            const struct config_pool *pool = &file->pools.items[p];
            workers->items[count] = (struct file_worker){pool, &pool->workers.items[w]};
            struct worker_key key = key_of_worker(workers, count);
            worker_index_add(&workers->index, &key, count++);
        }
    return 0;
}

static const struct config_worker *find_worker(const struct file_workers *workers, const struct change *change)
{
    struct worker_key key = change_key(change);
    uint32_t number = worker_index_find(&workers->index, &key, key_of_worker, workers);

    return number == WORKER_NOT_FOUND ? NULL : workers->items[number].worker;
}

/* NULL, or why it means nothing over this file. */
static const char *misfit(const struct file_workers *workers, const struct change *change)
{
    const struct config_worker *worker = find_worker(workers, change);

    if (!worker && !has_pool(workers->file, change))
        return "the file has no such pool";
    if (change->kind == CHANGE_ADDED)
        return worker ? "the file has this worker now" : NULL;
    if (!worker)
        return "the file has no such worker any more";
    bool same = change->mode == WORKER_READY && (!change->weight || change->weight == worker->weight);
    return change->kind == CHANGE_SET && same ? "the file says the same now" : NULL;
}

static void end(struct change_end *ret_end, enum change_fate fate, const char *why)
{
    ret_end->fate = fate;
    say(ret_end->why, why);
}

/* As this file calls it: its address may be written in another way there. */
static struct change renamed(const struct file_workers *workers, const struct change *change)
{
    struct change copy = *change;

    if (change->kind == CHANGE_ADDED)
        return copy;
    const struct config_worker *worker = find_worker(workers, change);
    change_text(copy.address, sizeof(copy.address), worker->address.text);
    change_text(copy.name, sizeof(copy.name), worker->named ? worker->name : STR(""));
    copy.addr = worker->address.addr;
    return copy;
}

/* Those that mean something, one by one. */
static int choose(const struct file_workers *workers, struct carried *carried, bool all, struct changes *ret_chosen)
{
    int error = 0;

    for (size_t i = 0; i < carried->changes.count && !error; i++) {
        const struct change *change = &carried->changes.items[i];
        const char *why = misfit(workers, change);
        if (!all && !change->keep) {
            end(&carried->ends[i], CHANGE_ENDS, "it was not to be kept");
        } else if (why) {
            end(&carried->ends[i], CHANGE_DROPPED, why);
        } else {
            struct change chosen = renamed(workers, change);
            end(&carried->ends[i], CHANGE_GOES_ON, "");
            error = changes_put(ret_chosen, &chosen);
        }
    }
    return error;
}

/* What is taken of changes that do not fit together. */
struct choice {
    const struct file_workers *workers;
    struct carried *carried;
    struct overlay taken;
};

/* So many of carried's changes, by their numbers, over what is taken already; -ERR_CONFIG: they do not fit. */
static int take_together(struct choice *choice, const uint32_t *order, size_t count, char why[OVERLAY_WHY_MAX])
{
    struct changes more = {.items = NULL};
    struct overlay trial;
    int error = changes_copy(&choice->taken.changes, &more);

    for (size_t i = 0; i < count && !error; i++) {
        struct change change = renamed(choice->workers, &choice->carried->changes.items[order[i]]);
        error = changes_put(&more, &change);
    }
    if (!error)
        error = overlay_make(choice->workers->file, &more, &trial, why);
    changes_fini(&more); /* empty where they were laid over it */
    if (error)
        return error;
    overlay_fini(&choice->taken);
    choice->taken = trial;
    return 0;
}

/* Few do not fit, and each try makes the whole configuration: so many are tried together, then half of them. */
static int take(struct choice *choice, const uint32_t *order, size_t count)
{
    char why[OVERLAY_WHY_MAX] = "";
    int error = count ? take_together(choice, order, count, why) : 0;

    if (error != -ERR_CONFIG)
        return error;
    if (count == 1) {
        struct change_end *end = &choice->carried->ends[order[0]];
        end->fate = CHANGE_DROPPED;
        say(end->why, why);
        return 0;
    }
    error = take(choice, order, count / 2);
    return error ? error : take(choice, order + count / 2, count - count / 2);
}

/* In their order, those of one kind: that were added, or that were not. Returns how many. */
static size_t list_kind(const struct carried *carried, bool added, uint32_t *out)
{
    size_t count = 0;

    for (size_t i = 0; i < carried->changes.count; i++)
        if (carried->ends[i].fate == CHANGE_GOES_ON && (carried->changes.items[i].kind == CHANGE_ADDED) == added)
            out[count++] = (uint32_t)i;
    return count;
}

/* Together they do not fit: those that fit what was taken before, new workers first. not per request: once a reload. */
static int choose_again(const struct file_workers *workers, struct carried *carried, struct overlay *ret_overlay)
{
    struct choice choice = {workers, carried, {.config = workers->file}};
    uint32_t *order = malloc((carried->changes.count + 1) * sizeof(*order));
    int error = order ? 0 : -ERR_NO_MEMORY;

    for (int added = 1; added >= 0 && !error; added--)
        error = take(&choice, order, list_kind(carried, added, order));
    free(order); /* not per request: once a reload */
    if (error)
        overlay_fini(&choice.taken);
    else
        *ret_overlay = choice.taken;
    return error;
}

static int choose_all(const struct file_workers *workers, struct carried *carried, bool all,
                      struct overlay *ret_overlay)
{
    struct changes chosen = {.items = NULL};
    char why[OVERLAY_WHY_MAX];
    int error = choose(workers, carried, all, &chosen);

    if (error) {
        changes_fini(&chosen);
        return error;
    }
    error = overlay_make(workers->file, &chosen, ret_overlay, why);
    return error == -ERR_CONFIG ? choose_again(workers, carried, ret_overlay) : error;
}

/* not per request: once a reload. */
int overlay_carry(const struct config *file, struct carried *carried, bool all, struct overlay *ret_overlay)
{
    struct file_workers workers;
    int error = file_workers_init(&workers, file);

    if (error)
        return error;
    carried->ends = calloc(carried->changes.count + 1, sizeof(*carried->ends));
    error = carried->ends ? choose_all(&workers, carried, all, ret_overlay) : -ERR_NO_MEMORY;
    file_workers_fini(&workers);
    return error;
}

/* not per request: once a reload. */
void carried_fini(struct carried *carried)
{
    changes_fini(&carried->changes);
    free(carried->ends);
    carried->ends = NULL;
}

void carried_log(const struct carried *carried)
{
    for (size_t i = 0; i < carried->changes.count; i++) {
        const struct change *change = &carried->changes.items[i];
        const struct change_end *end = &carried->ends[i];
        if (end->fate == CHANGE_DROPPED)
            log_warn("a change of run time that was to be kept is dropped", LOG_Z("pool", change->pool),
                     LOG_Z("address", change->address), LOG_Z("change", change_word(change->kind)),
                     LOG_Z("why", end->why));
        else if (end->fate == CHANGE_ENDS)
            log_info("a change of run time ends", LOG_Z("pool", change->pool), LOG_Z("address", change->address),
                     LOG_Z("change", change_word(change->kind)), LOG_Z("why", end->why));
    }
}

void overlay_set_modes(const struct changes *changes, struct worker *const *workers, uint32_t count,
                       struct prober *prober)
{
    for (uint32_t i = 0; i < count; i++) {
        struct worker *worker = workers[i];
        const struct change *change = changes_of(changes, worker);
        enum worker_mode mode = change ? change->mode : WORKER_READY;
        if (atomic_load(&worker->mode) == mode)
            continue;
        pool_set_mode(worker->pool, worker, mode);
        prober_pause(prober, worker, mode == WORKER_DISABLED);
    }
}
