#include "proxy/top.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proxy/control.h"
#include "proxy/monotonic.h"
#include "proxy/top_view.h"

#define SECONDS_MIN 0.1
#define SECONDS_MAX 3600.
#define ONCE_COLUMNS 80
#define PROBLEM_MAX 160

/* What is on the screen. */
struct top {
    const char *socket;
    const struct top_options *options;
    struct top_data before;
    struct top_data now;
    char problem[PROBLEM_MAX]; /* "": all is well */
    bool paused;
    bool by_total;
};

const char *top_options_parse(struct top_options *options, int argc, char **argv)
{
    char *end;

    *options = (struct top_options){.seconds = 1.};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--once") == 0) {
            options->once = true;
        } else if (strcmp(argv[i], "-d") == 0 && i + 1 < argc) {
            options->seconds = strtod(argv[++i], &end);
            if (*end != '\0' || end == argv[i] || !(options->seconds >= SECONDS_MIN) ||
                options->seconds > SECONDS_MAX)
                return "-d takes a number of seconds from 0.1 to 3600";
        } else {
            return "top takes -d SECONDS and --once";
        }
    }
    return NULL;
}

/* The first line of TEXT, without what would move the cursor. */
static void keep_problem(struct top *top, const char *text)
{
    int length = (int)strcspn(text, "\n");

    snprintf(top->problem, sizeof(top->problem), "%.*s", length, text);
    for (char *p = top->problem; *p != '\0'; p++)
        if (*p < 0x20 || *p >= 0x7f)
            *p = '?';
}

/* Ask the daemon. False: it did not answer, and what was known stays. */
static bool look(struct top *top)
{
    char *text;
    bool good = control_ask_text(top->socket, "status --metrics", &text) == 0;

    if (good) {
        top_data_free(&top->before);
        top->before = top->now;
        top_data_parse(&top->now, text, strlen(text));
        top->now.when = monotonic_time();
    }
    keep_problem(top, good ? "" : text);
    free(text);
    return good;
}

/* The lines for a screen. */
static void draw(const struct top *top, struct top_view *view, int lines, int columns)
{
    const struct top_picture picture = {.before = &top->before,
                                        .now = &top->now,
                                        .problem = top->problem[0] != '\0' ? top->problem : NULL,
                                        .paused = top->paused,
                                        .by_total = top->by_total};

    top_view_draw(view, &picture, lines, columns);
}

/* --- without a terminal ---------------------------------------------------------------------- */

static int run_once(struct top *top, struct top_view *view)
{
    const struct timespec pause = {.tv_sec = 1};

    if (look(top)) {
        nanosleep(&pause, NULL);
        if (look(top)) {
            draw(top, view, 0, ONCE_COLUMNS);
            for (int i = 0; i < view->count; i++) {
                int length = (int)strlen(view->lines[i].text);
                while (length > 0 && view->lines[i].text[length - 1] == ' ')
                    length--;
                printf("%.*s\n", length, view->lines[i].text);
            }
            return 0;
        }
    }
    fprintf(stderr, "%s\n", top->problem);
    return 1;
}

/* --- with one -------------------------------------------------------------------------------- */

/* How a style looks; without colours, alarms are reversed. */
static chtype look_of(enum top_style style)
{
    switch (style) {
    case TOP_PLAIN:
        return A_NORMAL;
    case TOP_HEADING:
        return A_BOLD;
    case TOP_ALARM:
        return has_colors() ? (chtype)COLOR_PAIR(1) | A_BOLD : A_REVERSE;
    }
    return A_NORMAL;
}

/* One line of the screen. */
static void show_line(const struct top_line *line, int row)
{
    int length = (int)strlen(line->text);
    int split = line->split < length ? line->split : length;

    move(row, 0);
    attrset((int)look_of(line->styles[0]));
    addnstr(line->text, split);
    attrset((int)look_of(line->styles[1]));
    addnstr(line->text + split, length - split);
    attrset(A_NORMAL);
    clrtoeol();
}

/* The whole screen; the last line says what the keys do, if there is room for it. */
static void show(const struct top *top, struct top_view *view)
{
    int rows, columns;

    getmaxyx(stdscr, rows, columns);
    draw(top, view, rows > 2 ? rows - 1 : rows, columns);
    erase();
    for (int i = 0; i < view->count; i++)
        show_line(&view->lines[i], i);
    if (rows > 2) {
        move(rows - 1, 0);
        attrset(A_DIM);
        addnstr(top->by_total ? "q quit  p pause  s sort by rate"
                              : "q quit  p pause  s sort by total",
                columns - 1);
        attrset(A_NORMAL);
    }
    refresh();
}

/* What KEY does. False: quit. */
static bool pressed(struct top *top, int key)
{
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case 'p':
    case 'P':
        top->paused = !top->paused;
        return true;
    case 's':
    case 'S':
        top->by_total = !top->by_total;
        return true;
    default:
        return true;
    }
}

/* Until the user quits, or the terminal is gone. */
static void watch(struct top *top, struct top_view *view)
{
    double next = monotonic_time();

    for (;;) {
        double left = next - monotonic_time();
        if (left <= 0.) {
            if (!top->paused)
                (void)look(top);
            next = monotonic_time() + top->options->seconds;
            left = top->options->seconds;
        }
        show(top, view);
        timeout((int)(left * 1000.) + 1);
        int key = getch();
        if (!isatty(STDIN_FILENO) || !pressed(top, key))
            return;
    }
}

/* The terminal is ours. False: it cannot be used. */
static bool begin_screen(void)
{
    if (newterm(NULL, stdout, stdin) == NULL)
        return false;
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    curs_set(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_RED, -1);
    }
    return true;
}

static int run_live(struct top *top, struct top_view *view)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        fprintf(stderr, "gatepost: top needs a terminal; without one, use --once\n");
        return 1;
    }
    if (!look(top)) {
        fprintf(stderr, "%s\n", top->problem);
        return 1;
    }
    if (!begin_screen()) {
        fprintf(stderr, "gatepost: the terminal %s is not known; use --once\n",
                getenv("TERM") != NULL ? getenv("TERM") : "(TERM is not set)");
        return 1;
    }
    watch(top, view);
    endwin();
    return 0;
}

int top_run(const char *socket, const struct top_options *options)
{
    struct top top = {.socket = socket, .options = options};
    struct top_view *view = malloc(sizeof(*view));

    if (view == NULL)
        abort();
    int status = options->once ? run_once(&top, view) : run_live(&top, view);
    free(view);
    top_data_free(&top.before);
    top_data_free(&top.now);
    return status;
}
