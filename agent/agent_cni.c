#include "agent.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/cni_host.h"
#include "wire/cni.h"

#define CONF_NAME "10-weft.conflist"

enum { LOOK_AGAIN_MS = 60000 };

static void install(struct agent *agent)
{
	const struct options *options = agent->options;
	char words[LOG_WORDS_MAX];
	struct err err = { 0 };
	int result = cni_host_install(options->cni_shim, options->cni_bin_dir, &err);
	bool said = agent->cni_trouble[0] != '\0';

	agent->cni_trouble[0] = '\0';
	if (result > 0)
		log_line(agent->log, LOG_INFO, "CNI program -> %s/weft", options->cni_bin_dir);
	if (result >= 0)
		return;
	snprintf(agent->cni_trouble, sizeof(agent->cni_trouble),
		 "the CNI program cannot be put where the runtime looks (%s): the directory must "
		 "be writable for user %u",
		 log_words(words, &err), (unsigned)geteuid());
	if (!said)
		log_line(agent->log, LOG_ERR, "%s -> not ready, tried again every minute",
			 agent->cni_trouble);
}

/* What the runtime will do that nobody may expect, told when it changes. */
static void warn(struct agent *agent, bool portmap)
{
	const char *dir = agent->options->cni_conf_dir;
	char other[CNI_NAME_MAX + 1];

	if (cni_host_outsorted(dir, CONF_NAME, other) && strcmp(other, agent->cni_other) != 0)
		log_line(agent->log, LOG_WARN,
			 "%s/%s sorts before ours -> container runtimes take that network: remove "
			 "it if it is not wanted any more",
			 dir, other);
	strcpy(agent->cni_other, other);
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
	char words[LOG_WORDS_MAX];
	struct err err = { 0 };
	int result = cni_host_configure(
		options->cni_conf_dir, CONF_NAME,
		(struct bytes){ .data = (const uint8_t *)text, .len = strlen(text) }, &err);

	if (result < 0) {
		if (!agent->cni_said)
			log_line(agent->log, LOG_ERR, "%s -> tried again every minute",
				 log_words(words, &err));
		agent->cni_said = true;
		return;
	}
	if (result > 0)
		log_line(agent->log, LOG_INFO, "pods can be attached -> %s/" CONF_NAME " written",
			 options->cni_conf_dir);
	warn(agent, portmap);
	agent->cni_told = true;
	agent->cni_said = false;
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
	if (strcmp(agent->cni_known, agent->cni_trouble) != 0) {
		strcpy(agent->cni_known, agent->cni_trouble);
		agent_event(agent,
			    &(struct event){ .type = EVENT_RUNTIME, .runtime = agent->cni_known });
	}
	if (agent->options->cni_conf_dir[0] && !agent->cni_told && !agent->cni_said &&
	    core_ready(agent->core))
		tell_runtime(agent);
}
