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
"""Removes what was soft deleted long enough ago, and orphans.

What is removed:

* soft deleted goals, strategies, audit templates, audits, action plans and
  actions, if they were deleted before the age limit;
* what belongs to them, if it is soft deleted as well, whatever its age;
* unless excluded, orphans: living rows whose parent is soft deleted, gone, or
  an orphan itself. They are orphans since their parent was deleted, and the
  age limit applies to that moment (to their own last change if the parent is
  gone). An orphan whose parent is younger than the limit stays, and so does
  an action plan that waits for an applier or runs.

With a goal, only what belongs to that goal is considered.

A row is kept while something refers to it that is kept, so the database
stays consistent whatever was chosen; how many are kept for that reason is
logged. Rows go in groups, each in one transaction: a group is a topmost row
that goes, with everything below it. Efficacy indicators go with their
plan and are not counted. Nobody is notified. Scoring engines, services,
action descriptions and scheduler jobs are never purged.
"""

import collections
import dataclasses
import datetime
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Set
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_log import log
from oslo_utils import strutils
from oslo_utils import timeutils
from oslo_utils import uuidutils

from watcher._i18n import _
from watcher.common import exception
from watcher.db.sqlalchemy import models
from watcher.db.sqlalchemy import session as db_session

LOG = log.getLogger(__name__)

_CHUNK = 500

#: Plans in these states are worked on, also when their audit is deleted.
_BUSY = ('PENDING', 'ONGOING', 'CANCELLING')


@dataclasses.dataclass(frozen=True)
class Kind:
    """One of the purged tables.

    :ivar title: column of the report
    :ivar parents: column -> kind that it refers to
    """

    title: str
    model: type[models.Base]
    parents: tuple[tuple[str, str], ...] = ()


#: Parents come before their children.
KINDS: dict[str, Kind] = {
    'goal': Kind('Goals', models.Goal),
    'strategy': Kind('Strategies', models.Strategy,
                     (('goal_id', 'goal'),)),
    'audit_template': Kind('Audit Templates', models.AuditTemplate,
                           (('goal_id', 'goal'),
                            ('strategy_id', 'strategy'))),
    'audit': Kind('Audits', models.Audit,
                  (('goal_id', 'goal'), ('strategy_id', 'strategy'))),
    'action_plan': Kind('Action Plans', models.ActionPlan,
                        (('audit_id', 'audit'),
                         ('strategy_id', 'strategy'))),
    'action': Kind('Actions', models.Action,
                   (('action_plan_id', 'action_plan'),)),
}

#: A row: its kind and its id.
Ref = tuple[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What the purge has to know about a row."""

    ref: Ref
    parents: tuple[Ref, ...]
    deleted_at: datetime.datetime | None
    changed_at: datetime.datetime | None


def _load(kind: str, *conditions: Any) -> dict[Ref, Row]:
    model = KINDS[kind].model
    columns = KINDS[kind].parents
    statement = sa.select(
        model.id, model.deleted_at, model.updated_at, model.created_at,
        *(getattr(model, column) for column, _parent in columns))
    with db_session.reader() as session:
        rows = session.execute(
            statement.where(*conditions).order_by(model.id)).all()
    return {(kind, ident): Row(
        (kind, ident),
        tuple((parent, key)
              for (_column, parent), key in zip(columns, keys, strict=True)
              if key is not None),
        deleted_at, updated_at or created_at)
        for ident, deleted_at, updated_at, created_at, *keys in rows}


def _load_actions(orphaned_plans: Iterable[int]) -> dict[Ref, Row]:
    """Only actions that may go or keep a plan: there are so many others."""
    plan, action = models.ActionPlan, models.Action
    alive = sa.select(plan.id).where(plan.deleted_at.is_(None))
    rows = _load('action', sa.or_(action.deleted_at.is_not(None),
                                  action.action_plan_id.not_in(alive)))
    for chunk in _chunks(sorted(orphaned_plans)):
        rows.update(_load('action', action.action_plan_id.in_(chunk)))
    return rows


def _busy_plans() -> set[Ref]:
    plan = models.ActionPlan
    with db_session.reader() as session:
        idents = session.scalars(sa.select(plan.id).where(
            plan.state.in_(_BUSY), plan.deleted_at.is_(None))).all()
    return {('action_plan', ident) for ident in idents}


class Selection:
    """The rows to remove, found without changing anything.

    :param expiry: naive UTC date; only what was deleted before it. None for
        no limit
    :param goal_id: only what belongs to this goal; None for all
    :param orphans: whether orphans go too
    """

    def __init__(self, expiry: datetime.datetime | None = None,
                 goal_id: int | None = None, orphans: bool = True) -> None:
        self.expiry = expiry
        self.goal_id = goal_id
        self.orphans = orphans
        self.rows: dict[Ref, Row] = {}
        self.refs: set[Ref] = set()
        #: Number of rows kept because something that stays refers to them.
        self.kept = 0
        self._of_goal: set[Ref] = set()
        self._busy: set[Ref] = set()

    def find(self) -> None:
        """Read the database and decide."""
        self._busy = _busy_plans()
        for kind in KINDS:
            if kind != 'action':
                self.rows.update(_load(kind))
        self._decide(frozenset())
        self.rows.update(_load_actions(
            ident for kind, ident in self.refs if kind == 'action_plan'
            and self.rows[kind, ident].deleted_at is None))
        kept: set[Ref] = set()
        while True:
            self._decide(kept)
            referred_to = self._referred_to()
            if not referred_to:
                break
            # What would have gone with them has to be decided again.
            kept |= referred_to
        self.kept = len(kept)

    def _decide(self, kept: Set[Ref]) -> None:
        self.refs.clear()
        # Parents come first: their fate is known when a child asks.
        for row in self.rows.values():
            if self._belongs_to_goal(row):
                self._of_goal.add(row.ref)
                if row.ref not in kept and self._goes(row):
                    self.refs.add(row.ref)

    def _belongs_to_goal(self, row: Row) -> bool:
        if self.goal_id is None:
            return True
        if row.ref[0] == 'goal':
            return row.ref[1] == self.goal_id
        return any(parent in self._of_goal for parent in row.parents)

    def _is_old(self, moment: datetime.datetime | None) -> bool:
        return self.expiry is None or (moment is not None
                                       and moment < self.expiry)

    def _goes(self, row: Row) -> bool:
        if row.deleted_at is not None:
            return (self._is_old(row.deleted_at)
                    or any(parent in self.refs for parent in row.parents))
        return self.orphans and row.ref not in self._busy and any(
            self._is_old_orphan_of(row, parent) for parent in row.parents)

    def _is_old_orphan_of(self, row: Row, parent: Ref) -> bool:
        found = self.rows.get(parent)
        if found is None:
            return self._is_old(row.changed_at)
        if found.deleted_at is not None:
            return self._is_old(found.deleted_at)
        # Alive itself, and going because it is an old orphan.
        return parent in self.refs

    def _referred_to(self) -> set[Ref]:
        """Parents that have to stay because a child does."""
        staying: set[Ref] = set()
        # Children first: a parent that stays keeps its own parents.
        for row in reversed(self.rows.values()):
            if row.ref not in self.refs or row.ref in staying:
                staying.update(parent for parent in row.parents
                               if parent in self.refs)
        return staying

    def groups(self) -> list[list[Ref]]:
        """The rows in groups that have nothing to do with each other.

        Parents come first in a group, and groups with a goal before others.
        """
        group_of: dict[Ref, list[Ref]] = {}
        for ref, row in self.rows.items():
            if ref not in self.refs:
                continue
            group = [ref]
            group_of[ref] = group
            for parent in row.parents:
                other = group_of.get(parent)
                if other is not None and other is not group:
                    group = self._join(group_of, other, group)
        unique = {id(group): group for group in group_of.values()}
        order = {ref: number for number, ref in enumerate(group_of)}
        return sorted((sorted(group, key=order.__getitem__)
                       for group in unique.values()),
                      key=lambda group: order[group[0]])

    @staticmethod
    def _join(group_of: dict[Ref, list[Ref]], one: list[Ref],
              other: list[Ref]) -> list[Ref]:
        """Put the smaller group into the larger one."""
        if len(one) < len(other):
            one, other = other, one
        one.extend(other)
        for ref in other:
            group_of[ref] = one
        return one


def _count(refs: Iterable[Ref]) -> dict[str, int]:
    counted = collections.Counter(kind for kind, _ident in refs)
    return {kind: counted[kind] for kind in KINDS}


def _take_whole_groups(groups: Iterable[list[Ref]],
                       limit: int) -> list[list[Ref]]:
    """Groups in order while they fit; the first that doesn't ends it."""
    taken, size = [], 0
    for group in groups:
        if size + len(group) > limit:
            LOG.info('%(count)s objects of which %(top)s is the topmost '
                     'would exceed the limit of %(limit)s and are left with '
                     'all that follow',
                     {'count': len(group), 'top': ' '.join(
                         map(str, group[0])), 'limit': limit})
            break
        taken.append(group)
        size += len(group)
    return taken


def _chunks(items: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start:start + _CHUNK]


@db_session.write
def _remove(group: list[Ref]) -> dict[str, int]:
    """Remove one group in one transaction, children first.

    :returns: kind -> number of rows that were really removed
    """
    removed = dict.fromkeys(KINDS, 0)
    session = db_session.current()
    for kind in reversed(KINDS):
        idents = [ident for name, ident in group if name == kind]
        model = KINDS[kind].model
        for chunk in _chunks(idents):
            if kind == 'action_plan':
                session.execute(
                    sa.delete(models.EfficacyIndicator).where(
                        models.EfficacyIndicator.action_plan_id.in_(chunk)),
                    execution_options={'synchronize_session': False})
            removed[kind] += session.execute(
                sa.delete(model).where(model.id.in_(chunk)),
                execution_options={'synchronize_session': False}).rowcount
    return removed


def table(counts: dict[str, int]) -> str:
    """The report: one column for each kind, and the total."""
    cells = [(KINDS[kind].title, str(number))
             for kind, number in counts.items()]
    cells.append(('Total', str(sum(counts.values()))))
    widths = [max(map(len, cell)) for cell in cells]
    frame = '+' + '+'.join('-' * (width + 2) for width in widths) + '+'
    lines = ['|' + '|'.join(f' {text:^{width}} ' for text, width
                            in zip(line, widths, strict=True)) + '|'
             for line in zip(*cells, strict=True)]
    return '\n'.join([frame, lines[0], frame, lines[1], frame])


def _ask(question: str) -> bool:
    """Ask on the terminal; everything but a clear yes is no.

    :raises watcher.common.exception.WatcherException: when nobody answers
    """
    try:
        return strutils.bool_from_string(input(question))
    except EOFError:
        raise exception.WatcherException(
            _('Nobody is there to answer. Use --assume-yes to go on without '
              'asking.'))


def _find_goal(ident: str | None) -> int | None:
    """The id of a soft deleted goal.

    :raises watcher.common.exception.GoalNotFound: if there is none
    :raises watcher.common.exception.NotSoftDeletedStateError: if it is alive
    """
    if not ident:
        return None
    if uuidutils.is_uuid_like(ident):
        condition = models.Goal.uuid == ident
    else:
        condition = sa.func.lower(models.Goal.name) == sa.func.lower(ident)
    with db_session.reader() as session:
        rows = session.execute(
            sa.select(models.Goal.id, models.Goal.deleted_at)
            .where(condition)
            .order_by(models.Goal.deleted_at.desc())).all()
    if not rows:
        raise exception.GoalNotFound(goal=ident)
    deleted = [row.id for row in rows if row.deleted_at is not None]
    if not deleted:
        raise exception.NotSoftDeletedStateError(name='Goal', id=ident)
    return deleted[0]


class PurgeCommand:
    """One run of ``watcher-db-manage purge``.

    :param age_in_days: only what was soft deleted more than so many days
        ago; None or 0 for all
    :param max_number: upper bound of rows; None for no bound
    :param goal: UUID or name of a soft deleted goal, to which the rest is
        limited
    :param exclude_orphans: leave orphans alone
    :param dry_run: only show what would be removed
    :param assume_yes: don't ask
    :param out: where the report goes to, ``print`` if not given
    """

    def __init__(self, age_in_days: int | None = None,
                 max_number: int | None = None, goal: str | None = None,
                 exclude_orphans: bool = False, dry_run: bool = False,
                 assume_yes: bool = False,
                 out: Callable[[str], Any] = print) -> None:
        self.age_in_days = age_in_days
        self.max_number = max_number
        self.goal = goal
        self.exclude_orphans = exclude_orphans
        self.dry_run = dry_run
        self.assume_yes = assume_yes
        self.out = out

    def select(self) -> list[list[Ref]]:
        """The groups of rows to remove.

        :raises watcher.common.exception.NegativeLimitError:
        :raises watcher.common.exception.GoalNotFound:
        :raises watcher.common.exception.NotSoftDeletedStateError: if the
            goal is alive
        """
        if self.max_number is not None and self.max_number < 0:
            raise exception.NegativeLimitError()
        expiry = None
        if self.age_in_days:
            expiry = timeutils.utcnow() - datetime.timedelta(
                days=self.age_in_days)
        selection = Selection(expiry, _find_goal(self.goal),
                              not self.exclude_orphans)
        selection.find()
        if selection.kept:
            LOG.info('%s objects are kept because others that stay refer to '
                     'them', selection.kept)
        return selection.groups()

    def execute(self) -> dict[str, int]:
        """Show what would go, ask, and remove it.

        :returns: kind -> number of rows removed; all 0 for a dry run or when
            the answer was no
        :raises Exception: whatever stopped a group; the groups before it
            are removed and reported
        """
        groups = self.select()
        limited = self._limit(groups)
        if limited is None:
            return dict.fromkeys(KINDS, 0)
        counts = _count(ref for group in limited for ref in group)
        if self.dry_run or not self._is_confirmed(counts):
            self._show_candidates(counts)
            return dict.fromkeys(KINDS, 0)
        return self._remove_all(limited)

    def _limit(self, groups: list[list[Ref]]) -> list[list[Ref]] | None:
        """As many whole groups as the maximum allows; None to stop."""
        total = sum(len(group) for group in groups)
        if self.max_number is None or total <= self.max_number:
            return groups
        self.out(table(_count(ref for group in groups for ref in group)))
        if not self.dry_run and not self.assume_yes and not _ask(
                _('%(total)d objects can be removed, more than the maximum '
                  'of %(limit)d. Remove as many as fit? [y/N] ')
                % {'total': total, 'limit': self.max_number}):
            return None
        return _take_whole_groups(groups, self.max_number)

    def _is_confirmed(self, counts: dict[str, int]) -> bool:
        if self.assume_yes:
            return True
        self.out(table(counts))
        return _ask(_('Remove these %d objects for good? [y/N] ')
                    % sum(counts.values()))

    def _show_candidates(self, counts: dict[str, int]) -> None:
        orphans = (_('orphans excluded') if self.exclude_orphans
                   else _('may include orphans'))
        self.out(_('These objects can be removed (%s):') % orphans)
        self.out(table(counts))

    @staticmethod
    def _remove(group: list[Ref]) -> dict[str, int]:
        try:
            return _remove(group)
        except db_exc.DBReferenceError as error:
            # A service has added something since the rows were chosen.
            LOG.warning('%(count)s objects of which %(top)s is the topmost '
                        'are kept: something new refers to them: %(error)s',
                        {'count': len(group), 'error': error,
                         'top': ' '.join(map(str, group[0]))})
            return {}

    def _remove_all(self, groups: list[list[Ref]]) -> dict[str, int]:
        removed = dict.fromkeys(KINDS, 0)
        try:
            for group in groups:
                for kind, number in self._remove(group).items():
                    removed[kind] += number
        finally:
            # Also after an error: what is gone is gone.
            self.out(_('Removed objects:'))
            self.out(table(removed))
            LOG.info('Purged: %s', ', '.join(
                f'{KINDS[kind].title.lower()} {number}'
                for kind, number in removed.items()))
        return removed


def purge(age_in_days: int | None = None, max_number: int | None = None,
          goal: str | None = None, exclude_orphans: bool = False,
          dry_run: bool = False, assume_yes: bool = False) -> None:
    """Remove soft deleted rows and orphans; see :class:`PurgeCommand`.

    Errors are raised: the caller shows them and chooses the exit code.
    """
    LOG.info('Purge: age %(age)s days, at most %(limit)s objects, goal '
             '%(goal)s, orphans %(orphans)s%(dry)s',
             {'age': age_in_days or 'any number of',
              'limit': 'all' if max_number is None else max_number,
              'goal': goal or 'any',
              'orphans': 'excluded' if exclude_orphans else 'included',
              'dry': ', dry run' if dry_run else ''})
    PurgeCommand(age_in_days, max_number, goal, exclude_orphans, dry_run,
                 assume_yes).execute()
