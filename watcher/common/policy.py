# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Who may do what: oslo.policy with the rules of watcher.common.policies."""

import sys
import threading
from collections.abc import Mapping
from typing import Any

from oslo_log import log
from oslo_policy import policy

from watcher import conf
from watcher.common import exception
from watcher.common import policies
from watcher.common import utils

CONF = conf.CONF

LOG = log.getLogger(__name__)

# Held while the files are looked at; for checks nobody waits.
_lock = threading.RLock()
# Reads the files when they change, and is incomplete meanwhile; only used
# under the lock.
_enforcer: policy.Enforcer | None = None
# Answers. It has the rules of one moment, which nobody changes any more, so
# any number of threads may ask it at once, however long a check takes.
_snapshot: policy.Enforcer | None = None
_snapshot_of: policy.Rules | None = None
# Why the files cannot be used at the moment.
_problem: str | None = None

_SECRETS = ('auth_token', 'auth_token_info')


def init(policy_file: str | None = None, rules: dict | None = None,
         default_rule: str | None = None,
         use_conf: bool = True) -> policy.Enforcer:
    """Return the enforcer of this process, building it at the first call.

    :param policy_file: file to use instead of ``[oslo_policy] policy_file``.
    :param rules: rules to use instead of those of a file.
    :param use_conf: whether to read the policy file at all.
    """
    global _enforcer
    with _lock:
        if _enforcer is None:
            enforcer = policy.Enforcer(
                CONF, policy_file=policy_file, rules=rules,
                default_rule=default_rule, use_conf=use_conf)
            enforcer.register_defaults(policies.list_rules())
            _enforcer = enforcer
        return _enforcer


def reset() -> None:
    """Forget the enforcer; the next check builds a new one."""
    global _enforcer, _snapshot, _snapshot_of, _problem
    with _lock:
        if _enforcer is not None:
            _enforcer.clear()
        _enforcer = _snapshot = _snapshot_of = _problem = None


def get_enforcer() -> policy.Enforcer:
    """Return the enforcer; the entry point of oslo.policy's tools."""
    if not hasattr(CONF, 'config_file'):  # no command line was parsed yet
        CONF(utils.pick_config_arguments(sys.argv[1:]), project='watcher')
    return init()


def enforce(context, rule: str, target: Any = None,
            do_raise: bool = True) -> bool:
    """Check whether the rule lets the caller do this.

    :param context: request context of the caller.
    :param rule: name of a registered rule.
    :param target: what it is done to: a mapping, an object with
        ``as_dict()``, or None for nothing but the caller's own ids.
    :param do_raise: raise instead of returning False.
    :raises: PolicyNotAuthorized
    """
    allowed = _check(_current(), rule, _target(context, target),
                     _credentials(context))
    if not allowed and do_raise:
        raise exception.PolicyNotAuthorized(action=rule)
    return bool(allowed)


def _current():
    global _snapshot, _snapshot_of
    with _lock:
        enforcer = init()
        # Changed files lead to a new object; for a while it is incomplete.
        if _load(enforcer) and _snapshot_of is not enforcer.rules:
            _snapshot_of = enforcer.rules
            _snapshot = policy.Enforcer(
                CONF, rules=enforcer.rules, use_conf=False,
                default_rule=enforcer.default_rule)
            _snapshot.register_defaults(policies.list_rules())
        return _snapshot


def _load(enforcer):
    """Read the files if they changed; tells whether they can be used.

    Somebody edits them at 3 a.m.: as long as they make no sense, the rules
    that were read before stay in force, all of them.

    :raises: whatever is wrong with them, if none were read before
    """
    global _problem
    try:
        # After a failure everything is read anew: part of it was forgotten.
        enforcer.load_rules(force_reload=_problem is not None)
    except Exception as exc:
        if _problem != str(exc):
            LOG.error('The policy files cannot be used: %(reason)s. %(stay)s '
                      'Look at [oslo_policy] policy_file (%(file)s) and '
                      'policy_dirs.',
                      {'reason': exc, 'file': enforcer.policy_file,
                       'stay': 'The rules read before stay in force.'
                               if _snapshot else 'Every request fails.'})
        _problem = str(exc)
        if _snapshot is None:
            raise
        return False
    if _problem is not None:
        LOG.info('The policy files can be used again.')
    _problem = None
    return True


def _check(enforcer, rule, target, credentials):
    try:
        # raises PolicyNotRegistered for a misspelt rule of our own
        return enforcer.authorize(rule, target, credentials)
    except policy.InvalidScope:
        return False


def _credentials(context):
    values = {key: value for key, value in context.to_dict().items()
              if key not in _SECRETS}
    values.update(context.to_policy_values())
    return values


def _target(context, target):
    if target is None:
        return {'project_id': context.project_id,
                'user_id': context.user_id}
    if isinstance(target, Mapping):
        return dict(target)
    return target.as_dict()
