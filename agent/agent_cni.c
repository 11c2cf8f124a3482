#include "agent.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/cni_host.h"
#include "wire/cni.h"

#define CONF_NAME "10-weft.conflist"

enum { LOOK_AGAIN_MS = 60000 };

/* Told when it changes, and then the core is, too. */
static void say(struct agent *agent, char text[static TEXT_LEN_MAX + 1], const char *now,
		enum log_level level, const char *decision)
{
	if (strcmp(text, now) == 0)
		return;
	snprintf(text, TEXT_LEN_MAX + 1, "%s", now);
	agent->cni_news = true;
	if (now[0])
		log_line(agent->log, level, "%s -> %s", now, decision);
}

static void install(struct agent *agent)
{
	const struct options *options = agent->options;
	char words[LOG_WORDS_MAX], trouble[TEXT_LEN_MAX + 1] = "";
	struct err err = { 0 };
	int result = cni_host_install(options->cni_shim, options->cni_bin_dir, &err);

	if (result > 0)
		log_line(agent->log, LOG_INFO, "CNI program -> %s/weft", options->cni_bin_dir);
	if (result < 0)
		snprintf(trouble, sizeof(trouble),
			 "the CNI program cannot be put where the runtime looks (%s): the "
			 "directory must be writable for user %u",
			 log_words(words, &err), (unsigned)geteuid());
	say(agent, agent->cni_trouble, trouble, LOG_ERR, "not ready, tried again every minute");
}

/* What the runtime will do that nobody may expect. */
static void look_at_others(struct agent *agent, bool portmap)
{
	const char *dir = agent->options->cni_conf_dir;
	char other[CNI_NAME_MAX + 1], warning[TEXT_LEN_MAX + 1] = "";

	if (cni_host_outsorted(dir, CONF_NAME, other))
		snprintf(warning, sizeof(warning),
			 "%.80s/%.80s sorts before Weft's " CONF_NAME
			 ": container runtimes give new "
			 "pods to that network",
			 dir, other);
	say(agent, agent->cni_warning, warning, LOG_WARN, "remove it if it is not wanted any more");
	if (!portmap && !agent->cni_told)
		log_line(agent->log, LOG_WARN,
			 "there is no CNI plugin 'portmap' in %s -> hostPort does not work here",
			 agent->options->cni_bin_dir);
}

/* Put back when somebody takes it away; an agent that cannot serve leaves it alone. */
static void tell_runtime(struct agent *agent)
{
	const struct options *options = agent->options;
	bool portmap = cni_host_has_plugin(options->cni_bin_dir, "portmap");
	const char *text = cni_conflist(portmap);
	char words[LOG_WORDS_MAX], warning[TEXT_LEN_MAX + 1];
	struct err err = { 0 };
	int result = cni_host_configure(
		options->cni_conf_dir, CONF_NAME,
		(struct bytes){ .data = (const uint8_t *)text, .len = strlen(text) }, &err);

	if (result < 0) {
		snprintf(warning, sizeof(warning),
			 "the CNI configuration cannot be put where the runtime looks (%s): it "
			 "gives Weft no new pods",
			 log_words(words, &err));
		say(agent, agent->cni_warning, warning, LOG_ERR, "tried again every minute");
		return;
	}
	if (result > 0)
		log_line(agent->log, LOG_INFO, "pods can be attached -> %s/" CONF_NAME " written",
			 options->cni_conf_dir);
	look_at_others(agent, portmap);
	agent->cni_told = true;
}

static void on_look(void *arg)
{
	struct agent *agent = arg;

	if (agent->options->cni_bin_dir[0])
		install(agent);
	if (agent->options->cni_conf_dir[0] && core_ready(agent->core))
		tell_runtime(agent);
	loop_timer_start(&agent->cni_timer, LOOK_AGAIN_MS);
}

void agent_cni_open(struct agent *agent)
{
	loop_timer_init(&agent->loop, &agent->cni_timer, on_look, agent);
	if (agent->options->cni_bin_dir[0])
		install(agent);
	if (agent->options->cni_bin_dir[0] || agent->options->cni_conf_dir[0])
		loop_timer_start(&agent->cni_timer, LOOK_AGAIN_MS);
}

void agent_cni_turn(struct agent *agent)
{
	if (agent->options->cni_conf_dir[0] && !agent->cni_told && !agent->cni_warning[0] &&
	    core_ready(agent->core))
		tell_runtime(agent);
	if (!agent->cni_news)
		return;
	agent->cni_news = false;
	agent_event(agent, &(struct event){ .type = EVENT_RUNTIME,
					    .runtime = { .trouble = agent->cni_trouble,
							 .warning = agent->cni_warning } });
}
