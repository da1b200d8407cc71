/* The least that streams G-code: numbers and sums each line, keeps WINDOW of them unanswered.
 *
 *   serial_client DEVICE FILE WINDOW
 *
 * WINDOW 1 is ping-pong. Ends when the last line is answered; any resend is a failure.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static int port, at_line_start = 1, matched;

static void write_all(const char *data, size_t length) {
    while (length > 0) {
        ssize_t done = write(port, data, length);
        if (done <= 0) exit(3);
        data += done;
        length -= (size_t)done;
    }
}

/* How many lines begin with "ok" in what has come since the last call; waits for at least one. */
static int answers(void) {
    static char data[65536];
    int found = 0;
    while (found == 0) {
        struct pollfd wait = {port, POLLIN, 0};
        if (poll(&wait, 1, 20000) <= 0) exit(4);
        ssize_t size = read(port, data, sizeof data);
        if (size <= 0) exit(5);
        for (ssize_t i = 0; i < size; i++) {
            if (data[i] == '\n') {
                at_line_start = 1;
                matched = 0;
            } else if (at_line_start) {
                if (data[i] == "ok"[matched]) {
                    if (++matched == 2) {
                        found++;
                        at_line_start = 0;
                    }
                } else if (data[i] == 'R')
                    exit(6);
                else
                    at_line_start = 0;
            }
        }
    }
    return found;
}

static void send_line(long number, const char *text, size_t length) {
    char line[512];
    int size = sprintf(line, "N%ld %.*s", number, (int)length, text);
    unsigned char sum = 0;
    for (int i = 0; i < size; i++) sum ^= (unsigned char)line[i];
    size += sprintf(line + size, "*%d\n", sum);
    write_all(line, (size_t)size);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    port = open(argv[1], O_RDWR | O_NOCTTY);
    int file = open(argv[2], O_RDONLY);
    int window = atoi(argv[3]);
    struct stat about;
    if (port < 0 || file < 0 || fstat(file, &about)) return 1;
    struct termios raw;
    tcgetattr(port, &raw);
    cfmakeraw(&raw);
    tcsetattr(port, TCSANOW, &raw);
    char *content = malloc((size_t)about.st_size);
    if (read(file, content, (size_t)about.st_size) != about.st_size) return 1;
    usleep(100000);
    tcflush(port, TCIFLUSH);
    send_line(0, "M110 N0", 7);
    answers();
    long number = 0;
    int unanswered = 0;
    for (char *at = content, *end = content + about.st_size; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) newline = end;
        while (unanswered >= window) unanswered -= answers();
        send_line(++number, at, (size_t)(newline - at));
        unanswered++;
        at = newline + 1;
    }
    while (unanswered > 0) unanswered -= answers();
    return 0;
}
