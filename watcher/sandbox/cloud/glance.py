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
"""Glance, as far as clients look up the names of images."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from watcher.sandbox.cloud import openstack
from watcher.sandbox.cloud import state as cloud_state
from watcher.sandbox.cloud import web


class Glance(openstack.Service):

    type = 'image'
    name = 'glance'
    prefix = '/image'

    UNAUTHORIZED = ('This server could not verify that you are authorized '
                    'to access the document you requested.')

    def error(self, request: web.Request,
              error: web.HTTPError) -> web.Response:
        title = '%d %s' % (error.status, HTTPStatus(error.status).phrase)
        return web.json_response(
            {'message': error.message, 'code': title, 'title': title},
            error.status)

    @web.route('GET', '/', public=True)
    def versions(self, request: web.Request) -> web.Response:
        return web.json_response({'versions': [
            {'id': 'v2.9', 'status': 'CURRENT', 'links': [
                {'rel': 'self', 'href': request.base_url + '/v2/'}]}]},
            300)

    @staticmethod
    def _view(image: cloud_state.Image) -> dict[str, Any]:
        url = '/v2/images/' + image.id
        return {'id': image.id, 'name': image.name, 'status': 'active',
                'visibility': 'public', 'disk_format': 'qcow2',
                'container_format': 'bare', 'size': image.size,
                'min_disk': image.min_disk, 'min_ram': image.min_ram,
                'protected': False, 'tags': [], 'self': url,
                'file': url + '/file', 'schema': '/v2/schemas/image'}

    @web.route('GET', '/v2/images')
    def list_images(self, request: web.Request) -> web.Response:
        with self.state.lock:
            images = list(self.state.images.values())
        name, ids = request.arg('name'), request.arg('id')
        if name is not None:
            images = [i for i in images if i.name == name]
        if ids is not None:
            wanted = ids.removeprefix('in:').split(',')
            images = [i for i in images if i.id in wanted]
        return web.json_response({
            'images': [self._view(i) for i in images],
            'first': '/v2/images', 'schema': '/v2/schemas/images'})

    @web.route('GET', '/v2/images/{ident}')
    def show_image(self, request: web.Request, ident: str) -> web.Response:
        with self.state.lock:
            image = self.state.images.get(ident)
        if image is None:
            raise web.HTTPError(404, 'No image found with ID %s' % ident)
        return web.json_response(self._view(image))
