/* Steps in the order in which they came, a few in each turn. What is left waits for a timer that is due at once: it
 * fires in the next turn, behind whatever has become ready meanwhile. */
#include "net/tls_room.h"

void tls_room_note(struct tls_room *room, enum tls_note what)
{
    if (room->note)
        room->note(room->context, what);
}

static void run_steps(struct tls_room *room)
{
    uint64_t turn = io_stats(room->io)->turns;

    if (room->turn != turn) {
        room->turn = turn;
        room->steps = 0;
    }
    while (!list_empty(&room->waiting) && room->steps < TLS_ROOM_STEPS) {
        struct tls_step *step = CONTAINER_OF(list_pop(&room->waiting), struct tls_step, link);
        room->steps++;
        tls_room_note(room, TLS_NOTE_STEP);
        step->run(step);
    }
    if (list_empty(&room->waiting) || timer_is_set(&room->timer))
        return;
    tls_room_note(room, TLS_NOTE_PUT_OFF);
    io_timer_set(room->io, &room->timer, io_now_ms(room->io));
}

static void on_task(struct io_task *task)
{
    run_steps(CONTAINER_OF(task, struct tls_room, task));
}

static void on_timer(struct timer *timer)
{
    run_steps(CONTAINER_OF(timer, struct tls_room, timer));
}

void tls_room_init(struct tls_room *room, struct io *io, uint32_t most)
{
    *room = (struct tls_room){.io = io, .most = most};
    list_init(&room->waiting);
    io_task_init(&room->task, on_task);
    timer_init(&room->timer, on_timer);
}

void tls_room_fini(struct tls_room *room)
{
    ASSERT(room->in_flight == 0 && list_empty(&room->waiting));
    io_task_cancel(&room->task);
    io_timer_fini(room->io, &room->timer);
}

bool tls_room_enter(struct tls_room *room)
{
    if (room->in_flight >= room->most) {
        tls_room_note(room, TLS_NOTE_REFUSED);
        return false;
    }
    room->in_flight++;
    return true;
}

void tls_room_leave(struct tls_room *room, enum tls_note how)
{
    ASSERT(room->in_flight > 0);
    room->in_flight--;
    tls_room_note(room, how);
}

void tls_room_queue(struct tls_room *room, struct tls_step *step)
{
    if (list_linked(&step->link))
        return;
    list_append(&room->waiting, &step->link);
    io_task_queue(room->io, &room->task);
}

void tls_step_init(struct tls_step *step, void (*run)(struct tls_step *step))
{
    list_init(&step->link);
    step->run = run;
}

void tls_step_cancel(struct tls_step *step)
{
    list_remove(&step->link);
}
