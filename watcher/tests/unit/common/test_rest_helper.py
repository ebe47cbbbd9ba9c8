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
"""What the helpers of all services have in common."""

import itertools
from unittest import mock

from watcher.common import exception
from watcher.common import rest
from watcher.common import rest_helper
from watcher.common import waiting
from watcher.tests import base
from watcher.tests.unit.common import test_nova_helper

broken = test_nova_helper.broken
refused = test_nova_helper.refused


class ThingHelper(rest_helper.RestHelper):
    """A helper that adds nothing to the base."""

    GROUP = 'cinder'
    ERROR = exception.CinderClientError


class RestHelperTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.clock = test_nova_helper.Clock()
        patcher = mock.patch.object(waiting, 'time', self.clock)
        patcher.start()
        self.addCleanup(patcher.stop)
        self.service = test_nova_helper.FakeNova((3, 71))
        self.helper = ThingHelper(self.service)


class TestReading(RestHelperTestCase):

    def read(self, *answers, **kwargs):
        self.service.answer('GET', '/thing', *answers)
        return self.helper._read('/thing', **kwargs)

    def test_repeated_after_connection_errors(self):
        self.assertEqual({'a': 1}, self.read(*[broken()] * 3, {'a': 1}))
        self.assertEqual(1006, self.clock.now)
        # Once in the sight of the operator.
        self.assertEqual(3, self.logger.output.count('connection lost'))

    def test_end_of_patience(self):
        error = self.assertRaises(exception.CinderClientError, self.read,
                                  broken())
        self.assertTrue(error.kwargs['connection_error'])
        self.assertEqual(4, len(self.service.requests))

    def test_as_often_as_the_caller_says(self):
        self.helper = ThingHelper(self.service, http_retries=0)
        self.assertRaises(exception.CinderClientError, self.read, broken())
        self.assertEqual(1, len(self.service.requests))

    def test_refusals_are_final(self):
        for status in (400, 404, 500, 503):
            self.service.requests.clear()
            error = self.assertRaises(exception.CinderClientError,
                                      self.read, refused(status))
            self.assertEqual(status, error.kwargs['http_status'])
            self.assertEqual(1, len(self.service.requests))

    def test_what_is_missing(self):
        missing = exception.VolumeNotFound(name='it')
        self.assertIs(missing, self.assertRaises(
            exception.VolumeNotFound, self.read, refused(404),
            missing=missing))
        self.assertRaises(exception.CinderClientError, self.read,
                          refused(500), missing=missing)

    def test_versions(self):
        for offered, wanted, sent in (
                ((3, 71), None, None), ((3, 71), (3, 28), '3.28'),
                ((3, 27), (3, 28), '3.27'), ((0, 0), (3, 28), None)):
            self.service.newest = offered
            self.read({}, version=wanted)
            self.assertEqual(sent, self.service.versions()[-1])


class TestPages(RestHelperTestCase):

    def setUp(self):
        super().setUp()
        self.asked = []
        self.service.answer('GET', '/things', self.page)

    def page(self, params):
        """Numbers from 0 to 9, at most four at a time."""
        self.asked.append(params)
        start = int(params.get('marker', -1)) + 1
        end = min(start + min(params['limit'], 4), 10)
        body = {'things': [{'id': number} for number in range(start, end)]}
        if end < 10:
            body['things_links'] = [{'rel': 'next', 'href': '/'}]
        return body

    def ids(self, **kwargs):
        return [record['id'] for page in self.helper._pages(
            '/things', 'things', **kwargs) for record in page]

    def test_all(self):
        self.assertEqual(list(range(10)), self.ids())
        self.assertEqual(3, len(self.asked))

    def test_limit_and_marker(self):
        self.assertEqual([3, 4, 5, 6, 7], self.ids(marker=2, limit=5))
        self.assertEqual([5, 1], [one['limit'] for one in self.asked])
        self.asked.clear()
        self.assertEqual([], self.ids(limit=0))
        self.assertEqual([], self.asked)

    def test_filters(self):
        self.ids(params={'host': 'h'})
        self.assertEqual({'h'}, {one['host'] for one in self.asked})

    def test_single_pages_are_repeated_by_the_caller(self):
        calls = itertools.count()

        def call(func, *args):
            next(calls)
            return func(*args)
        self.assertEqual(list(range(10)), self.ids(call=call))
        self.assertEqual(3, next(calls))


class TestActions(RestHelperTestCase):

    def act(self, *answers, looks=(False,)):
        self.service.answer('POST', '/thing/action', *answers)
        looks = iter(looks)
        self.helper._act('/thing/action', {'go': None}, 'thing 1',
                         lambda: next(looks), lambda moving: moving)

    def sent(self):
        return len(self.service.sent('POST'))

    def test_lost_answer(self):
        self.act(broken(), looks=(True,))
        self.assertEqual(1, self.sent())
        self.assertIn('received the request go for thing 1',
                      self.logger.output)

    def test_lost_request(self):
        self.act(broken(), {}, looks=(False,))
        self.assertEqual(2, self.sent())

    def test_refusal_of_what_began_late(self):
        self.act(broken(), refused(409), looks=(False, True))
        self.assertRaises(exception.CinderClientError, self.act, broken(),
                          refused(409), looks=(False, False))

    def test_refusal_at_once(self):
        self.assertRaises(exception.CinderClientError, self.act,
                          refused(409), looks=())
        self.assertEqual(1, self.sent())

    def test_missing(self):
        """What is missing may be the thing or something in the request."""
        self.assertRaises(exception.CinderClientError, self.act,
                          refused(404), looks=(False,))

        def look():
            raise exception.VolumeNotFound(name='1')
        self.assertRaises(
            exception.VolumeNotFound, self.helper._act, '/thing/action',
            {'go': None}, 'thing 1', look, bool)

    def test_looking_while_the_service_is_away(self):
        for answer in (broken(), refused(503)):
            self.service.answer('GET', '/thing', answer)
            self.assertIsNone(self.helper._peek(
                'thing 1', lambda: self.helper._send('GET', '/thing')))
        self.assertIn('The thing 1 cannot be looked at', self.logger.output)
        self.service.answer('GET', '/thing', refused(403))
        self.assertRaises(
            exception.CinderClientError, self.helper._peek, 'thing 1',
            lambda: self.helper._send('GET', '/thing'))


class TestFollow(RestHelperTestCase):

    def follow(self, *looks, limit=30.0, should_stop=None):
        looks = iter([*looks, looks[-1]] * 20)
        return waiting.follow(
            'start', lambda: next(looks),
            lambda seen: waiting.Outcome(True) if seen == 'end' else None,
            limit, 10.0, should_stop)

    def test_to_the_end(self):
        self.assertTrue(self.follow('middle', None, 'end'))

    def test_too_long(self):
        error = self.assertRaises(waiting.TooLong, self.follow, 'middle',
                                  None)
        self.assertEqual('middle', error.last)
        self.assertEqual(1030, self.clock.now)

    def test_nothing_was_ever_seen(self):
        error = self.assertRaises(waiting.TooLong, self.follow, None)
        self.assertEqual('start', error.last)

    def test_interrupted(self):
        error = self.assertRaises(waiting.Interrupted, self.follow,
                                  'middle', should_stop=lambda: True)
        self.assertEqual('middle', error.last)


class TestErrorOfTheService(base.TestCase):

    def test_what_it_carries(self):
        service = test_nova_helper.FakeNova()
        service.answer('GET', '/thing', rest.RequestFailed(
            'no such service', no_endpoint=True))
        error = self.assertRaises(exception.CinderClientError,
                                  ThingHelper(service)._read, '/thing')
        self.assertTrue(error.kwargs['no_endpoint'])
        self.assertIn('no such service', str(error))
