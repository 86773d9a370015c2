"""Countries and the words for their people, to tell whether two persons or things come from the same one."""

import re
from functools import cache

_COUNTRIES = """\
Afghanistan: Afghan Afghani
Albania: Albanian
Algeria: Algerian
Angola: Angolan
Argentina: Argentine Argentinian
Armenia: Armenian
Australia: Australian
Austria: Austrian
Azerbaijan: Azerbaijani
Bahrain: Bahraini
Bangladesh: Bangladeshi
Belarus: Belarusian
Belgium: Belgian Flemish
Bolivia: Bolivian
Bosnia: Bosnian
Botswana: Motswana
Brazil: Brazilian
Bulgaria: Bulgarian
Burma: Burmese Myanmar
Cambodia: Cambodian
Cameroon: Cameroonian
Canada: Canadian Ontario Quebec Saskatchewan Alberta Manitoba
Chile: Chilean
China: Chinese
Colombia: Colombian
Congo: Congolese
Costa Rica: Costa_Rican
Croatia: Croatian
Cuba: Cuban
Cyprus: Cypriot
Czech Republic: Czech Czechoslovakia Czechoslovak
Denmark: Danish Dane
Dominican Republic: Dominican
Ecuador: Ecuadorian
Egypt: Egyptian
El Salvador: Salvadoran
Estonia: Estonian
Ethiopia: Ethiopian
Fiji: Fijian
Finland: Finnish
France: French
Georgia: Georgian
Germany: German
Ghana: Ghanaian
Greece: Greek
Guatemala: Guatemalan
Haiti: Haitian
Honduras: Honduran
Hungary: Hungarian
Iceland: Icelandic Icelander
India: Indian
Indonesia: Indonesian
Iran: Iranian Persian
Iraq: Iraqi
Ireland: Irish
Israel: Israeli
Italy: Italian
Jamaica: Jamaican
Japan: Japanese
Jordan: Jordanian
Kazakhstan: Kazakh Kazakhstani
Kenya: Kenyan
Kosovo: Kosovar
Kuwait: Kuwaiti
Latvia: Latvian
Lebanon: Lebanese
Liberia: Liberian
Libya: Libyan
Lithuania: Lithuanian
Luxembourg: Luxembourgish
Madagascar: Malagasy
Malaysia: Malaysian
Mali: Malian
Malta: Maltese
Mexico: Mexican
Moldova: Moldovan
Mongolia: Mongolian
Montenegro: Montenegrin
Morocco: Moroccan
Mozambique: Mozambican
Namibia: Namibian
Nepal: Nepali Nepalese
Netherlands: Dutch Holland
New Zealand: New_Zealander
Nicaragua: Nicaraguan
Nigeria: Nigerian
North Korea: North_Korean
Norway: Norwegian
Pakistan: Pakistani
Palestine: Palestinian
Panama: Panamanian
Paraguay: Paraguayan
Peru: Peruvian
Philippines: Filipino Philippine
Poland: Polish
Portugal: Portuguese
Puerto Rico: Puerto_Rican
Qatar: Qatari
Romania: Romanian
Russia: Russian Soviet
Rwanda: Rwandan
Saudi Arabia: Saudi
Senegal: Senegalese
Serbia: Serbian Yugoslavia Yugoslav
Singapore: Singaporean
Slovakia: Slovak
Slovenia: Slovene Slovenian
Somalia: Somali
South Africa: South_African
South Korea: South_Korean Korean
Spain: Spanish Catalan Basque
Sri Lanka: Sri_Lankan
Sudan: Sudanese
Sweden: Swedish Swede
Switzerland: Swiss
Syria: Syrian
Taiwan: Taiwanese
Tanzania: Tanzanian
Thailand: Thai
Trinidad: Trinidadian
Tunisia: Tunisian
Turkey: Turkish
Uganda: Ugandan
Ukraine: Ukrainian
United Arab Emirates: Emirati
United Kingdom: British English Scottish Welsh UK Britain England Scotland Wales
United States: American US U.S. USA America Texas California Ohio Florida Illinois Pennsylvania Michigan Virginia \
Massachusetts Minnesota Wisconsin Missouri Tennessee Oregon Iowa Kansas Kentucky Louisiana Alabama Arizona Colorado \
Connecticut Indiana Maryland Nebraska Oklahoma Utah New_York New_Jersey North_Carolina South_Carolina
Uruguay: Uruguayan
Uzbekistan: Uzbek
Venezuela: Venezuelan
Vietnam: Vietnamese
Yemen: Yemeni
Zambia: Zambian
Zimbabwe: Zimbabwean"""
_DEFINES = re.compile(r"\b(?:is|was|are|were)\b")
_BRACKETED = re.compile(r"\([^()]*\)")
_JOINED = re.compile(r"\s?(?:-|–|/|\band\b)\s?$")


def countries(sentence: str) -> list[str]:
    """Return the countries a sentence ties its subject to: those said first after "is a", else the first one said.

    "A British-American director" belongs to two.
    """
    return list(dict.fromkeys(_words()[match[0]] for match in _said(sentence)))


def as_written(sentence: str) -> str:
    """Return the same in the sentence's own words: "British-American"; empty when it names none."""
    found = _said(sentence)
    return found[0].string[found[0].start() : found[-1].end()] if found else ""


def _said(sentence: str) -> list[re.Match[str]]:
    plain = _BRACKETED.sub(" ", sentence)
    defines = _DEFINES.search(plain)
    found = _run(plain, defines.end()) if defines else []
    return found or _run(plain, 0)


def _run(text: str, start: int) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    for match in _spelled().finditer(text, start):
        if found and not _JOINED.fullmatch(text[found[-1].end() : match.start()]):
            break
        found.append(match)
    return found


@cache
def _words() -> dict[str, str]:
    table: dict[str, str] = {}
    for row in _COUNTRIES.splitlines():
        country, _, words = row.partition(": ")
        table[country] = country
        table.update((word.replace("_", " "), country) for word in words.split())
    return table


@cache
def _spelled() -> re.Pattern[str]:
    longest_first = sorted(_words(), key=len, reverse=True)
    return re.compile(rf"(?<![\w])(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
