/* A Marlin board on a pseudo-terminal, as fast as the machine or as slow as a real cable.
 *
 *   serial_firmware BAUD LATENCY_US MOVE_US
 *
 * BAUD 0: no cable, every line is answered as soon as it is read. Otherwise each byte takes its
 * ten bits' time both ways, each answer leaves LATENCY_US after its command is done, and a receive
 * buffer of 128 bytes behind a queue of four commands overruns like a real one. MOVE_US > 0: each
 * G1 takes so long in a planner of 16 moves; the answer waits for a place in it.
 *
 * Line numbers and checksums are checked; answers are those of ADVANCED_OK. A G1 counts for the
 * record: how many, a 64-bit FNV-1a over their texts, when the first and the last came, the longest
 * pause between two, and how many found the planner empty. Says the device's name on stdout; "stats" on stdin answers with the record
 * and begins a new one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PLANNER = 16, QUEUE = 4, RX_BYTES = 128, READ = 65536, LINE = 256, REPLIES = 4096 };

static double byte_s, latency_s, move_s;
static int master;
static double now_at;

static double clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- the record of accepted moves */

static struct {
    uint64_t moves, hash, starved, refused, overruns;
    double first, last, longest;
} record;

static void begin_record(void) {
    memset(&record, 0, sizeof record);
    record.hash = 1469598103934665603ULL;
}

static void remember(const char *text, size_t length, double at) {
    uint64_t hash = record.hash;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 1099511628211ULL;
    record.hash = (hash ^ '\n') * 1099511628211ULL;
    if (record.moves++ == 0) record.first = at;
    else if (at - record.last > record.longest) record.longest = at - record.last;
    record.last = at;
}

/* --- answers on their way to the host */

static struct { double due; int length; char text[160]; } replies[REPLIES];
static unsigned reply_head, reply_tail;
static double line_out_free;
static char out[READ * 2];
static size_t out_length;

static void write_all(const char *data, size_t length) {
    while (length > 0) {
        ssize_t done = write(master, data, length);
        if (done < 0) {
            struct pollfd wait = {master, POLLOUT, 0};
            if (errno != EAGAIN || poll(&wait, 1, 1000) <= 0) return;
            continue;
        }
        data += done;
        length -= (size_t)done;
    }
}

static void flush_out(void) {
    write_all(out, out_length);
    out_length = 0;
}

static void answer(const char *text, int length, double done_at) {
    if (byte_s == 0) {
        if (out_length + (size_t)length > sizeof out) flush_out();
        memcpy(out + out_length, text, (size_t)length);
        out_length += (size_t)length;
        return;
    }
    if (reply_head - reply_tail == REPLIES) return;
    double start = done_at + latency_s;
    if (start < line_out_free) start = line_out_free;
    line_out_free = start + length * byte_s;
    unsigned slot = reply_head++ % REPLIES;
    replies[slot].due = line_out_free;
    replies[slot].length = length;
    memcpy(replies[slot].text, text, (size_t)length);
}

static void send_due(double now) {
    while (reply_tail != reply_head && replies[reply_tail % REPLIES].due <= now) {
        unsigned slot = reply_tail++ % REPLIES;
        write_all(replies[slot].text, (size_t)replies[slot].length);
    }
}

/* --- the board */

static long last_number;
static double ends[PLANNER]; /* when each of the last moves ends, as a ring */
static uint64_t planned;
static double worked_until; /* when the command before is done */
static struct { double done; int bytes; } waiting[256];
static unsigned wait_head, wait_tail;

static double plan(double at) {
    if (move_s == 0) return at;
    double room = planned >= PLANNER ? ends[planned % PLANNER] : 0;
    if (at < room) at = room;
    double before = planned > 0 ? ends[(planned - 1) % PLANNER] : 0;
    if (record.moves > 1 && before <= at) record.starved++;
    ends[planned % PLANNER] = (before > at ? before : at) + move_s;
    planned++;
    return at;
}

static int in_buffers(double at) {
    while (wait_tail != wait_head && waiting[wait_tail % 256].done <= at) wait_tail++;
    return (int)(wait_head - wait_tail);
}

/* Whether a line still fits: four commands wait in the queue, the rest in the receive buffer. */
static int fits(double at, int bytes) {
    int commands = in_buffers(at);
    if (byte_s == 0 || commands < QUEUE) return 1;
    for (int i = QUEUE; i < commands; i++) bytes += waiting[(wait_tail + (unsigned)i) % 256].bytes;
    return bytes <= RX_BYTES && commands < 255;
}

static void refuse(const char *why, double at) {
    char text[160];
    record.refused++;
    int length = snprintf(text, sizeof text, "Error:%s, Last Line: %ld\nResend: %ld\nok\n", why,
                          last_number, last_number + 1);
    answer(text, length, at);
}

static void carry_out(const char *text, size_t length, long number, int bytes, double at) {
    double done = at > worked_until ? at : worked_until;
    if (length > 1 && text[0] == 'G' && text[1] == '1') {
        remember(text, length, at);
        done = plan(done);
    }
    worked_until = done;
    waiting[wait_head % 256].done = done;
    waiting[wait_head++ % 256].bytes = bytes;
    char reply[160];
    int size;
    if (length >= 4 && !memcmp(text, "M105", 4))
        size = sprintf(reply, "ok T:21.00 /0.00 B:21.00 /0.00 @:0 B@:0\n");
    else if (length >= 4 && !memcmp(text, "M115", 4))
        size = sprintf(reply, "FIRMWARE_NAME:Marlin 2.1.2.1 MACHINE_TYPE:Bench EXTRUDER_COUNT:1\n"
                              "Cap:EMERGENCY_PARSER:1\nok\n");
    else if (length >= 4 && !memcmp(text, "M114", 4))
        size = sprintf(reply, "X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0\nok\n");
    else if (number >= 0) {
        int free_moves = PLANNER - 1;
        if (move_s > 0)
            for (int i = 0; i < PLANNER; i++) free_moves -= planned > 0 && ends[i] > done;
        int held = byte_s == 0 ? 0 : in_buffers(done);
        size = sprintf(reply, "ok N%ld P%d B%d\n", number, free_moves < 0 ? 0 : free_moves,
                       held > QUEUE ? 0 : QUEUE - held);
    } else
        size = sprintf(reply, "ok P%d B%d\n", PLANNER - 1, QUEUE);
    answer(reply, size, done);
}

static void take(char *line, size_t length, double at) {
    int bytes = (int)length + 1;
    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' ')) length--;
    if (length == 0) return;
    if (!fits(at, bytes)) {
        record.overruns++;
        return;
    }
    if (line[0] != 'N') {
        carry_out(line, length, -1, bytes, at);
        return;
    }
    line[length] = 0;
    char *text, *star = memrchr(line, '*', length);
    long number = strtol(line + 1, &text, 10);
    while (*text == ' ') text++;
    int resets = !strncmp(text, "M110", 4);
    if (resets) {
        char *wanted = strchr(text + 4, 'N');
        if (wanted) number = strtol(wanted + 1, NULL, 10);
    }
    if (number != last_number + 1 && !resets) {
        refuse("Line Number is not Last Line Number+1", at);
        return;
    }
    if (!star) {
        refuse("No Checksum with line number", at);
        return;
    }
    unsigned char sum = 0;
    for (char *c = line; c < star; c++) sum ^= (unsigned char)*c;
    if (strtol(star + 1, NULL, 10) != sum) {
        refuse("checksum mismatch", at);
        return;
    }
    last_number = number;
    carry_out(text, (size_t)(star - text), number, bytes, at);
}

/* --- bytes from the host */

static char part[LINE + 1];
static size_t part_length;
static double line_in_free;

static void heard(char *data, size_t length) {
    while (length > 0) {
        char *end = memchr(data, '\n', length);
        size_t piece = end ? (size_t)(end - data) + 1 : length;
        double at = now_at;
        if (byte_s > 0) {
            if (line_in_free < now_at) line_in_free = now_at;
            line_in_free += (double)piece * byte_s;
            at = line_in_free;
        }
        size_t kept = piece - (end != NULL);
        if (part_length + kept > LINE) kept = LINE - part_length;
        if (end && part_length == 0 && kept < LINE) {
            take(data, kept, at);
        } else {
            memcpy(part + part_length, data, kept);
            part_length += kept;
            if (end) {
                take(part, part_length, at);
                part_length = 0;
            }
        }
        data += piece;
        length -= piece;
    }
}

static int slave_is_open(void) {
    struct pollfd look = {master, 0, 0};
    poll(&look, 1, 0);
    return !(look.revents & POLLHUP);
}

static void say_stats(void) {
    printf("moves=%llu hash=%016llx starved=%llu refused=%llu overruns=%llu seconds=%.9f "
           "longest=%.9f\n",
           (unsigned long long)record.moves, (unsigned long long)record.hash,
           (unsigned long long)record.starved, (unsigned long long)record.refused,
           (unsigned long long)record.overruns, record.last - record.first, record.longest);
    fflush(stdout);
    begin_record();
}

static void wait_for_events(int open) {
    struct pollfd on[2] = {{0, POLLIN, 0}, {open ? master : -1, POLLIN, 0}};
    struct timespec limit = {0, 10000000}, *until = open ? NULL : &limit;
    if (reply_tail != reply_head) {
        double left = replies[reply_tail % REPLIES].due - clock_now();
        if (left < 0) left = 0;
        limit.tv_sec = (time_t)left;
        limit.tv_nsec = (long)((left - (double)limit.tv_sec) * 1e9);
        until = &limit;
    }
    ppoll(on, 2, until, NULL);
    if (on[0].revents & POLLIN) {
        char asked[64];
        if (read(0, asked, sizeof asked) <= 0) exit(0);
        say_stats();
    } else if (on[0].revents & (POLLHUP | POLLERR))
        exit(0);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    double baud = atof(argv[1]);
    byte_s = baud > 0 ? 10 / baud : 0;
    latency_s = atof(argv[2]) * 1e-6;
    move_s = atof(argv[3]) * 1e-6;
    prctl(PR_SET_TIMERSLACK, 1000);
    begin_record();
    master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (master < 0 || grantpt(master) || unlockpt(master)) return 1;
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct termios raw;
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    printf("%s\n", ptsname(master));
    fflush(stdout);
    close(slave);
    static char data[READ];
    for (int open_before = 0;;) {
        int is_open = slave_is_open();
        if (is_open && !open_before) {
            last_number = 0;
            part_length = 0;
            answer("start\necho:Marlin 2.1.2.1\n", 26, clock_now());
            flush_out();
        }
        open_before = is_open;
        wait_for_events(is_open);
        now_at = clock_now();
        for (ssize_t size; is_open && (size = read(master, data, sizeof data)) > 0;) {
            heard(data, (size_t)size);
            flush_out();
        }
        send_due(clock_now());
    }
}
